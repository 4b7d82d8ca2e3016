//! `access`, `rules` and `deny_rules`: which HTTP requests pass.

use super::HttpRule;
use crate::glob::Glob;
use crate::source::Diagnostic;
use crate::yaml::View;

type Fault = Box<Diagnostic>;

/// Methods that a rule may name. A misspelt method in a deny rule would deny nothing, so others are refused.
const METHODS: &[&str] = &[
    "GET",
    "HEAD",
    "OPTIONS",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "TRACE",
    "CONNECT",
    "QUERY",
    "PROPFIND",
    "PROPPATCH",
    "MKCOL",
    "COPY",
    "MOVE",
    "LOCK",
    "UNLOCK",
    "REPORT",
    "SEARCH",
    "MKCALENDAR",
    "PURGE",
    "*",
];
/// Matchers of a rule that later versions enforce.
const LATER: &[&str] = &[
    "query",
    "operation_type",
    "operation_name",
    "fields",
    "tool",
    "params",
    "rpc_method",
    "command",
    "mcp",
    "graphql",
    "headers",
    "body",
];
/// Rules in one list.
const MAX_RULES: usize = 1024;

/// `access`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    ReadWrite,
    Full,
}

impl Access {
    pub fn load(view: &View<'_>) -> Result<Access, Fault> {
        view.word(&[
            ("read-only", Access::ReadOnly),
            ("read-write", Access::ReadWrite),
            ("full", Access::Full),
        ])
    }

    /// The set as rules, all at the place of the word; none stands for every request.
    pub fn rules(self, view: &View<'_>) -> Result<Vec<HttpRule>, Fault> {
        let methods: &[&str] = match self {
            Access::ReadOnly => &["GET", "HEAD", "OPTIONS"],
            Access::ReadWrite => &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"],
            Access::Full => &[],
        };
        methods
            .iter()
            .map(|method| rule(view, (*method).to_owned(), "**"))
            .collect()
    }
}

/// `rules: [{allow: {method, path}}]`.
pub(super) fn allow_rules(view: &View<'_>) -> Result<Vec<HttpRule>, Fault> {
    let items = limited(view)?;
    items
        .iter()
        .map(|item| matcher(&item.fields(&["allow"], &["deny"])?.need("allow")?))
        .collect()
}

/// `deny_rules: [{method, path}]`.
pub(super) fn deny_rules(view: &View<'_>) -> Result<Vec<HttpRule>, Fault> {
    limited(view)?.iter().map(matcher).collect()
}

fn limited<'a>(view: &View<'a>) -> Result<Vec<View<'a>>, Fault> {
    let items = view.some_list()?;
    if items.len() > MAX_RULES {
        return Err(view.fault(format!("`{}` has more than {MAX_RULES} rules", view.name)));
    }
    Ok(items)
}

fn matcher(view: &View<'_>) -> Result<HttpRule, Fault> {
    let keys = view.fields(&["method", "path"], LATER)?;
    let method = keys.need("method")?;
    let text = method.text()?.to_ascii_uppercase();
    if text == "WEBSOCKET_TEXT" {
        return Err(method.fault("`WEBSOCKET_TEXT` is not supported yet"));
    }
    if !METHODS.contains(&text.as_str()) {
        let fault = method.fault(format!("unknown method `{}`", method.text()?));
        return Err(match crate::suggest::nearest(&text, METHODS) {
            Some(word) => fault.with_hint(format!("did you mean `{word}`?")),
            None => fault,
        });
    }
    let path = keys.need("path")?;
    let mut rule = rule(&path, text, path.text()?)?;
    rule.at = view.at();
    Ok(rule)
}

fn rule(view: &View<'_>, method: String, path: &str) -> Result<HttpRule, Fault> {
    let glob = Glob::new(path).map_err(|message| view.fault(message))?;
    Ok(HttpRule {
        method,
        path: path.to_owned(),
        at: view.at(),
        glob,
    })
}
