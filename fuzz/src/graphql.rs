//! A GraphQL request: as JSON, as a document, and in a URL.

use nemoclaw_router::worker::inspect::graphql;

/// Read `bytes` in each of these ways.
pub fn run(bytes: &[u8]) {
    let requests = graphql::body(bytes);
    assert!(
        requests.is_err() || !graphql::is_silent(bytes),
        "silent, but a request"
    );
    assert!(requests.is_ok_and(|requests| !requests.is_empty()) || graphql::body(bytes).is_err());
    let document = graphql::document(bytes);
    assert!(document.is_err() || document.is_ok_and(|found| !found.is_empty()));
    if let Ok(query) = std::str::from_utf8(bytes) {
        let free = graphql::is_free_of(query);
        let found = graphql::query(query);
        assert!(
            !free || !matches!(found, Ok(Some(_))),
            "free of it, but there"
        );
    }
}
