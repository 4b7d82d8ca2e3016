//! From many findings to those that do not overlap.

use std::cmp::Ordering;

use crate::finding::Finding;

/// Sorts by start and joins what overlaps: the higher class names it, of one class a form of its
/// own before a name with a value, then the longer span; and it covers all of both.
pub(super) fn merge(found: &mut Vec<Finding>) {
    found.sort_by(|a, b| a.start.cmp(&b.start).then_with(|| stronger(b, a)));
    let mut merged: Vec<(Finding, usize)> = Vec::with_capacity(found.len());
    for next in found.drain(..) {
        let length = next.end - next.start;
        match merged.last_mut() {
            Some((last, weight)) if next.start < last.end => {
                let wins = next
                    .class
                    .cmp(&last.class)
                    .then(has_form(&next).cmp(&has_form(last)))
                    .then(length.cmp(weight));
                last.end = last.end.max(next.end);
                if wins == Ordering::Greater {
                    last.class = next.class;
                    last.detector = next.detector;
                    *weight = length;
                }
            }
            _ => merged.push((next, length)),
        }
    }
    found.extend(merged.into_iter().map(|(finding, _)| finding));
}

/// Whether what was found has a form of its own, and is not told by the words around it alone.
fn has_form(finding: &Finding) -> bool {
    !matches!(
        finding.detector.name(),
        "secret_value" | "person_name" | "postal_address" | "organisation"
    )
}

fn stronger(a: &Finding, b: &Finding) -> Ordering {
    (a.class, a.end).cmp(&(b.class, b.end))
}

#[cfg(test)]
mod tests {
    use super::merge;
    use crate::detect::Known;

    #[test]
    fn what_overlaps_becomes_one_that_covers_all_under_the_higher_class() {
        let mut found = vec![
            Known::Email.at(4..20),
            Known::PaymentCard.at(15..30),
            Known::Phone.at(30..35),
        ];
        merge(&mut found);
        assert_eq!(
            found,
            [Known::PaymentCard.at(4..30), Known::Phone.at(30..35)]
        );
    }

    #[test]
    fn of_one_class_the_longer_names_it() {
        let mut found = vec![Known::Jwt.at(2..9), Known::ApiKey.at(0..8)];
        merge(&mut found);
        assert_eq!(found, [Known::ApiKey.at(0..9)]);
    }
}
