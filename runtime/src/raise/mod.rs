//! Making a box's processes: one clone into new namespaces for the first, one into its namespaces for every other.
//!
//! The verb opens on the host, as root, whatever of it the box may have; the new process only puts the pieces in place.
//! The two talk over a [`channel`]. [`init`] is the first process's way, [`tenant`] that of an exec.

pub mod channel;
pub mod console;
mod copy;
pub mod devices;
pub mod error;
pub mod hooks;
pub mod identity;
pub mod init;
pub mod labels;
mod masks;
pub mod namespaces;
pub mod net_devices;
pub mod options;
mod places;
pub mod rdt;
mod settings;
pub mod sources;
pub mod tenant;
pub mod tree;
pub mod tuning;
pub mod users;
