//! A GraphQL document: which of its operations runs, of which kind it is, and its root fields.

use std::collections::{BTreeMap, BTreeSet};

use apollo_parser::cst::{Definition, OperationType, Selection, SelectionSet};
use apollo_parser::{Lexer, Parser, Token, TokenKind};
use nemoclaw_policy::decide::GraphqlOperation;
use nemoclaw_policy::policy::OperationKind;

use super::Unclear;

/// Deepest nesting of selections and values. Protects the stack; a deeper document is not read.
const DEPTH: usize = 128;
/// Most words of a document. Protects memory; a longer document is not read.
const TOKENS: usize = 32 * 1024;

/// What the document does, where the request names the operation `name`.
///
/// # Errors
/// It cannot be read, or which operation runs is not said.
pub fn operation(text: &str, name: Option<&str>) -> Result<GraphqlOperation, Unclear> {
    if !text.chars().all(is_plain) || !Lexer::new(text).all(|token| token.is_ok_and(is_closed)) {
        return Err(Unclear::Document);
    }
    let tree = Parser::new(text)
        .recursion_limit(DEPTH)
        .token_limit(TOKENS)
        .parse();
    if tree.errors().len() > 0 {
        return Err(Unclear::Document);
    }
    let mut operations = Vec::new();
    let mut fragments = BTreeMap::new();
    for definition in tree.document().definitions() {
        match definition {
            Definition::OperationDefinition(found) => {
                let selections = found.selection_set().ok_or(Unclear::Document)?;
                let name = found.name().map(|name| name.text().to_string());
                operations.push((kind(found.operation_type()), name, selections));
            }
            Definition::FragmentDefinition(found) => {
                let selections = found.selection_set().ok_or(Unclear::Document)?;
                let name = found.fragment_name().and_then(|name| name.name());
                let name = name.ok_or(Unclear::Document)?.text().to_string();
                if fragments.insert(name, selections).is_some() {
                    return Err(Unclear::Document);
                }
            }
            _ => return Err(Unclear::Document),
        }
    }
    let mut named = operations
        .into_iter()
        .filter(|(_, own, _)| name.is_none() || own.as_deref() == name);
    let (Some((kind, name, selections)), None) = (named.next(), named.next()) else {
        return Err(Unclear::Choice);
    };
    let fields = root_fields(selections, fragments)?;
    Ok(GraphqlOperation::Document { kind, name, fields })
}

/// Whether every reader sees the same in it. Some end a comment, or the whole text, at characters that others pass over.
fn is_plain(c: char) -> bool {
    !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}')
        && (matches!(c, '\t' | '\n' | '\r') || !c.is_control())
}

/// Whether a string ends on its line, as it must. The parser lets the first character be the end of the line.
fn is_closed(token: Token<'_>) -> bool {
    let block = token.data().starts_with("\"\"\"");
    token.kind() != TokenKind::StringValue || block || !token.data().contains(['\n', '\r'])
}

fn kind(word: Option<OperationType>) -> OperationKind {
    match word {
        Some(word) if word.mutation_token().is_some() => OperationKind::Mutation,
        Some(word) if word.subscription_token().is_some() => OperationKind::Subscription,
        _ => OperationKind::Query,
    }
}

/// The fields by name, not alias, those of fragments among them, in order of their first appearance. Directives may
/// leave a field out, but then it only counts too much.
fn root_fields(
    selections: SelectionSet,
    mut fragments: BTreeMap<String, SelectionSet>,
) -> Result<Vec<String>, Unclear> {
    let mut fields = Vec::new();
    let mut known = BTreeSet::new();
    let mut spread = BTreeSet::new();
    let mut left = vec![selections];
    while let Some(selections) = left.pop() {
        for selection in selections.selections() {
            match selection {
                Selection::Field(field) => {
                    let name = field.name().ok_or(Unclear::Document)?.text().to_string();
                    if known.insert(name.clone()) {
                        fields.push(name);
                    }
                }
                Selection::InlineFragment(inline) => {
                    left.push(inline.selection_set().ok_or(Unclear::Document)?);
                }
                Selection::FragmentSpread(found) => {
                    let name = found.fragment_name().and_then(|name| name.name());
                    let name = name.ok_or(Unclear::Document)?.text().to_string();
                    match fragments.remove(&name) {
                        Some(selections) => {
                            spread.insert(name);
                            left.push(selections);
                        }
                        None if spread.contains(&name) => {}
                        None => return Err(Unclear::Document),
                    }
                }
            }
        }
    }
    if fields.is_empty() {
        return Err(Unclear::Document);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;
    use OperationKind::{Mutation, Query, Subscription};

    fn read(text: &str, name: Option<&str>) -> Result<(OperationKind, Vec<String>), Unclear> {
        operation(text, name).map(|found| match found {
            GraphqlOperation::Document { kind, fields, .. } => (kind, fields),
            GraphqlOperation::Stored { .. } => panic!("a document is not stored"),
        })
    }

    fn fields(text: &str) -> Vec<String> {
        read(text, None)
            .unwrap_or_else(|why| panic!("{why}: {text}"))
            .1
    }

    #[test]
    fn root_fields_are_those_by_name_and_of_fragments_wherever_they_hide() {
        for (text, expected) in [
            ("{ a }", &["a"][..]),
            (
                "query Q($x: Int = 1) @d { a(x: $x) { nested } b }",
                &["a", "b"],
            ),
            ("{ viewer: deleteRepo }", &["deleteRepo"]),
            ("{ a @skip(if: true) b @include(if: false) }", &["a", "b"]),
            (
                "{ a ...F } fragment F on Query { b ...G } fragment G on Query { c }",
                &["a", "b", "c"],
            ),
            (
                "fragment F on Query { b ...F } { ...F ...F a }",
                &["a", "b"],
            ),
            (
                "{ ... on Query { a ... { b ... @skip(if: true) { c } } } }",
                &["a", "b", "c"],
            ),
            (
                "{ __typename __schema { types { name } } }",
                &["__typename", "__schema"],
            ),
            ("{ a, b # , c\n, d }", &["a", "b", "d"]),
            ("{ a # }\r b }", &["a", "b"]),
            ("{ a(x: \"} mutation { evil }\") }", &["a"]),
            (
                "{ a(x: \"\"\" \\\"\"\" } mutation { evil \"\"\") b }",
                &["a", "b"],
            ),
            ("{ a(x: \"\\\\\") b(y: \"\\\"\") }", &["a", "b"]),
            (
                "{ query mutation fragment on: type }",
                &["query", "mutation", "fragment", "type"],
            ),
            ("{ a(x: {b: [1, {c: $d}]}) }", &["a"]),
        ] {
            let mut found = fields(text);
            let mut expected = expected.to_vec();
            found.sort();
            expected.sort_unstable();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn the_operation_that_runs_is_the_named_one_or_the_only_one() {
        let two = "query A { a } mutation B { b } subscription C { c }";
        for (name, kind, field) in [
            ("A", Query, "a"),
            ("B", Mutation, "b"),
            ("C", Subscription, "c"),
        ] {
            assert_eq!(read(two, Some(name)), Ok((kind, vec![field.into()])));
        }
        assert_eq!(
            read("mutation { b }", None),
            Ok((Mutation, vec!["b".into()]))
        );
        for (text, name) in [
            (two, None),
            (two, Some("D")),
            (two, Some("")),
            ("{ a }", Some("A")),
            ("{ a } { b }", None),
            ("query A { a } mutation A { b }", Some("A")),
            ("fragment F on Q { a }", None),
        ] {
            assert_eq!(read(text, name), Err(Unclear::Choice), "{text} {name:?}");
        }
    }

    #[test]
    fn what_is_no_document_or_not_the_same_to_all_is_not_read() {
        let deep = format!("{}a{}", "{a".repeat(DEPTH + 1), "}".repeat(DEPTH + 1));
        let list = format!("{{ a(x: {}{}) }}", "[".repeat(60_000), "]".repeat(60_000));
        let kinds = format!(
            "query($a: {}T{}) {{ a }}",
            "[".repeat(60_000),
            "]".repeat(60_000)
        );
        let long = format!("{{ {} }}", "a ".repeat(TOKENS));
        for text in [
            "",
            " ",
            "{}",
            "{ a",
            "a }",
            "{ a } }",
            "{ a ...F }",
            "query",
            "{ a(x: ) }",
            "{ a { } }",
            "{ a } type T { b: Int }",
            "extend schema { query: Q }",
            "{ a } fragment F on Q { b } fragment F on Q { c }",
            "{ a #\u{2028} evil\n }",
            "{ a #\u{0} evil\n }",
            "{ a \u{b} b }",
            "{ a \u{a0} b }",
            "\u{feff}{ a }",
            "{ a \u{feff} b }",
            "{ a(x: \"\n\") }",
            "{ a(x: \"\\x\") }",
            "{ \u{430} }",
            "\\u007b a }",
            "MUTATION { a }",
            "fragment on on Q { a } { ...on }",
            "{ ...F } fragment F on Q { ...G } fragment G on Q { ...F }",
            &deep,
            &list,
            &kinds,
            &long,
        ] {
            assert_eq!(read(text, None), Err(Unclear::Document), "{text:.60}");
        }
    }
}
