//! Docker as people use it, with our runtime: images, verbs, options, networks, user namespaces, refusals, tricks.

mod direct;
mod ease;
mod images;
mod networks;
mod options;
mod refusals;
mod tricks;
mod user_namespaces;
mod verbs;
