//! What a sandbox spent on models, in words.

use nemoclaw_api::ModelSpend;

use super::money;

/// Tokens, requests and cost, each beside its limit where there is one.
pub fn words(spent: &ModelSpend) -> String {
    let of = |used: String, limit: Option<String>| match limit {
        Some(limit) => format!("{used} of {limit}"),
        None => used,
    };
    let count = |used: u64, limit: Option<u64>| of(used.to_string(), limit.map(|n| n.to_string()));
    format!(
        "{} tokens, {} requests, {} cost",
        count(spent.tokens, spent.tokens_limit),
        count(spent.requests, spent.requests_limit),
        of(
            money::words(spent.cost_micro),
            spent.cost_micro_limit.map(money::words)
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_stand_beside_what_was_spent() {
        let spent = ModelSpend {
            tokens: 1200,
            requests: 3,
            cost_micro: 20_000,
            tokens_limit: Some(5000),
            cost_micro_limit: Some(1_500_000),
            ..ModelSpend::default()
        };
        assert_eq!(
            words(&spent),
            "1200 of 5000 tokens, 3 requests, 0.02 of 1.50 cost"
        );
    }
}
