//! HTTP matchers: method, path and the parameters of a query.

use form_urlencoded::parse;

use crate::policy::{HttpMatcher, QueryMatcher};

impl HttpMatcher {
    pub(super) fn names(&self, method: &str) -> bool {
        self.method == "*" || self.method == method
    }

    /// Each parameter is there, and every value of it matches.
    pub(super) fn query_admits(&self, query: Option<&str>) -> bool {
        self.query.iter().all(|wanted| {
            let mut found = false;
            let all = parse(query.unwrap_or_default().as_bytes())
                .filter(|(name, _)| *name == wanted.name)
                .all(|(_, value)| {
                    found = true;
                    wanted.covers(&value)
                });
            found && all
        })
    }

    /// Each parameter is there, and one value of it matches.
    pub(super) fn query_hits(&self, query: Option<&str>) -> bool {
        self.query.iter().all(|wanted| {
            parse(query.unwrap_or_default().as_bytes())
                .any(|(name, value)| *name == *wanted.name && wanted.covers(&value))
        })
    }
}

impl QueryMatcher {
    fn covers(&self, value: &str) -> bool {
        self.any.iter().any(|glob| glob.matches(value))
    }
}
