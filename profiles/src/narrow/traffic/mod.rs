//! Whether a child's rules let traffic pass that its parent's do not.
//!
//! Every layer of the parent must be covered by some layer of the child's. A layer is cut into cells (one endpoint, one
//! port, one program) and each cell into atoms (one rule, one kind of flow). An atom is covered if an endpoint of the
//! parent that surely covers the cell admits all of the atom, is asked about all of it (no endpoint with a more
//! specific `path` decides in its stead, unless that admits it too), and no deny rule of the parent hits a flow of it
//! that the child's own deny rules let through. A path is looked at in several readings (see [`crate::decide`]), so
//! whatever refuses is taken to reach a path as soon as one reading may.

mod atom;
mod cover;
mod decide;
mod matcher;
mod options;
mod side;

use super::axis::Widening;
use crate::automaton::Line;
use crate::policy::{Mode, NetworkLayer, Policy};
use side::Side;

/// What `child` asks for and `parent` does not have.
pub(super) fn widenings(child: &Policy, parent: &Policy) -> Vec<Widening> {
    let everything = |policy: &Policy| policy.mode == Mode::Unconfined && policy.network.is_empty();
    // A child that nothing holds has a mode that is wider: that was told, and there is nothing more to say.
    if child.mode == Mode::Offline || everything(parent) || everything(child) {
        return Vec::new();
    }
    let nothing = NetworkLayer::default();
    if child.network.is_empty() {
        return Vec::new();
    }
    let closed = parent.mode == Mode::Offline || parent.network.is_empty();
    let parents: Vec<&NetworkLayer> = match closed {
        true => vec![&nothing],
        false => parent.network.iter().collect(),
    };
    let mut found = Vec::new();
    for layer in parents {
        let same =
            |own: &NetworkLayer| own.entries == layer.entries && own.resolve == layer.resolve;
        if child.network.iter().any(same) {
            continue;
        }
        let theirs = Side::new(layer);
        let fewest = child
            .network
            .iter()
            .map(|own| of_layer(&Side::new(own), &theirs))
            .min_by_key(Vec::len);
        found.extend(fewest.unwrap_or_default());
    }
    found
}

/// What a layer of the child's lets pass and one of the parent's does not.
fn of_layer<'a>(child: &Side<'a>, parent: &Side<'a>) -> Vec<Widening> {
    let any_path = Line::path();
    let mut found = Vec::new();
    let mirrors = side::mirrors(child, parent);
    for own in &child.ready {
        for cell in side::cells(own, child, parent, &mirrors) {
            options::widenings(&cell, child, parent, &mut found);
            if cell.same {
                continue;
            }
            for atom in &atom::atoms(&cell, &any_path) {
                let outcome =
                    decide::passes(&cell, atom).and_then(|()| options::bodies(&cell, atom, child));
                if let Err(miss) = outcome {
                    found.push(Widening {
                        axis: miss.axis,
                        asked: options::asked(&cell, atom, miss.axis),
                        has: miss.has,
                        place: options::place(&cell, atom, miss.axis),
                    });
                }
            }
        }
    }
    found
}
