//! Which of the known calls a request is, by its method and path.

pub use nemoclaw_policy::provider::Dialect;

/// A call that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// `POST /chat/completions`
    Chat,
    /// `POST /completions`
    Completions,
    /// `POST /responses`
    Responses,
    /// `POST /embeddings`
    Embeddings,
    /// `GET /models` and `GET /models/NAME`
    Models,
    /// `POST /messages`
    Messages,
    /// `POST /messages/count_tokens`
    CountTokens,
}

const ALL: [Api; 7] = [
    Api::Chat,
    Api::Completions,
    Api::Responses,
    Api::Embeddings,
    Api::Models,
    Api::Messages,
    Api::CountTokens,
];

impl Api {
    /// The call that this is, with or without `/v1` before it. A query is not part of `path`.
    #[must_use]
    pub fn of(method: &str, path: &str) -> Option<Self> {
        let path = path.strip_prefix("/v1").unwrap_or(path);
        if method == "GET" {
            return (path == "/models" || Self::model_asked(path).is_some())
                .then_some(Self::Models);
        }
        ALL.into_iter()
            .find(|api| *api != Self::Models && method == "POST" && api.path() == path)
    }

    /// The model that `GET /models/NAME` asks about. Names may hold slashes.
    #[must_use]
    pub fn model_asked(path: &str) -> Option<&str> {
        path.strip_prefix("/v1")
            .unwrap_or(path)
            .strip_prefix("/models/")
            .filter(|name| !name.is_empty())
    }

    /// Its word in commands, answers and the audit log.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Responses => "responses",
            Self::Embeddings => "embeddings",
            Self::Models => "models",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
        }
    }

    /// Whose shape it has.
    #[must_use]
    pub fn dialect(self) -> Dialect {
        match self {
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            _ => Dialect::OpenAi,
        }
    }

    /// The path below a provider's base URL (which ends in `/v1` or the like).
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Chat => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
            Self::Models => "/models",
            Self::Messages => "/messages",
            Self::CountTokens => "/messages/count_tokens",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_known_by_method_and_path_with_or_without_the_version() {
        for api in ALL {
            let method = if api == Api::Models { "GET" } else { "POST" };
            assert_eq!(Api::of(method, api.path()), Some(api));
            assert_eq!(Api::of(method, &format!("/v1{}", api.path())), Some(api));
            assert_eq!(Api::of("DELETE", api.path()), None);
        }
        assert_eq!(
            Api::of("GET", "/v1/models/qwen/qwen3-8b"),
            Some(Api::Models)
        );
        assert_eq!(
            Api::model_asked("/v1/models/qwen/qwen3-8b"),
            Some("qwen/qwen3-8b")
        );
        for path in [
            "/v1/files",
            "/v1/chat",
            "/v1/chat/completions/",
            "/v1/models/",
            "/v1//messages",
            "",
            "/v1",
        ] {
            assert_eq!(Api::of("POST", path), None, "{path}");
        }
        assert_eq!(Api::of("GET", "/v1/chat/completions"), None);
    }
}
