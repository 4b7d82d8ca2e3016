//! nemoclaw-tests
