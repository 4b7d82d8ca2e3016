//! nemoclaw-api
