//! What a sandbox has spent on models in the last day. What a request may cost is reserved before it is sent, and settled
//! when its server has counted, so that requests at once cannot spend the same budget twice.

use std::fs::File;
use std::sync::Arc;

use nemoclaw_api::ModelSpend;
use nemoclaw_inference::Usage;
use nemoclaw_policy::Policy;
use nemoclaw_policy::policy::ModelBudgets;
use serde_json::{Value, json};

use crate::clock;
use crate::worker::window::{Limit, Over, Window};

/// A day, by the hour.
const HOURS: usize = 24;
const HOUR: u64 = 3600;

/// What a budget is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Sent and received.
    Tokens = 0,
    /// Requests.
    Requests = 1,
    /// Millionths of the currency.
    Cost = 2,
}

/// The file of what a sandbox has spent.
pub struct Ledger(Window);

/// A budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sandbox's budget of {limit} {} in a day does not cover this request", axis.words())]
pub struct Spent {
    /// Which.
    pub axis: Axis,
    /// The policy's limit.
    pub limit: u64,
    /// What is spent and reserved.
    pub spent: u64,
    /// When some of it is free again, seconds.
    pub again: u64,
}

impl Axis {
    fn words(self) -> &'static str {
        match self {
            Axis::Tokens => "tokens",
            Axis::Requests => "model requests",
            Axis::Cost => "millionths of cost",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Axis::Tokens => "tokens",
            Axis::Requests => "requests",
            Axis::Cost => "cost",
        }
    }
}

impl Spent {
    /// For programs.
    #[must_use]
    pub fn told(&self) -> Value {
        json!({
            "budget": self.axis.key(),
            "limit": self.limit,
            "spent": self.spent,
            "retry_after": self.again,
        })
    }
}

/// What is reserved for a request; dropped without a word from the server, it counts as spent, since it may have been.
pub struct Reserved {
    ledger: Arc<Ledger>,
    at: u64,
    tokens: u64,
    cost: u64,
}

/// What both budgets allow, over all layers.
#[must_use]
pub fn budgets(policy: &Policy) -> ModelBudgets {
    policy
        .inference_layers()
        .fold(ModelBudgets::default(), |met, own| met.meet(&own.budgets))
}

impl Ledger {
    /// What the file says.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(file: File) -> std::io::Result<Ledger> {
        Window::open(file, HOUR, HOURS).map(Ledger)
    }

    /// Count a request.
    ///
    /// # Errors
    /// The budget of requests is used up.
    pub fn request(&self, budgets: &ModelBudgets) -> Result<(), Spent> {
        self.spend(Axis::Requests, 1, budgets.requests)
    }

    /// Reserve what a request may use.
    ///
    /// # Errors
    /// It is more than is left.
    pub fn reserve(
        self: &Arc<Self>,
        budgets: &ModelBudgets,
        tokens: u64,
        cost: u64,
    ) -> Result<Reserved, Spent> {
        self.spend(Axis::Tokens, tokens, budgets.tokens)?;
        if let Err(spent) = self.spend(Axis::Cost, cost, budgets.cost) {
            self.0
                .give_back(clock::unix_seconds(), Axis::Tokens as usize, tokens);
            return Err(spent);
        }
        Ok(Reserved {
            ledger: self.clone(),
            at: clock::unix_seconds(),
            tokens,
            cost,
        })
    }

    fn spend(&self, axis: Axis, amount: u64, limit: Option<u64>) -> Result<(), Spent> {
        let now = clock::unix_seconds();
        let limit = limit.unwrap_or(u64::MAX);
        let most = Limit {
            most: limit,
            over: Over::Refused,
        };
        self.0
            .spend(now, axis as usize, amount, most)
            .map_err(|again| Spent {
                axis,
                limit,
                spent: self.0.spent(now)[axis as usize],
                again,
            })
    }

    /// What is spent, beside the policy's limits.
    #[must_use]
    pub fn spend_of(&self, policy: &Policy) -> ModelSpend {
        let [tokens, requests, cost_micro] = self.0.spent(clock::unix_seconds());
        let budgets = budgets(policy);
        ModelSpend {
            tokens,
            requests,
            cost_micro,
            tokens_limit: budgets.tokens,
            requests_limit: budgets.requests,
            cost_micro_limit: budgets.cost,
        }
    }
}

impl Reserved {
    /// How many tokens.
    #[must_use]
    pub fn tokens(&self) -> u64 {
        self.tokens
    }

    /// The server has counted.
    pub fn settle(self, usage: Usage, cost: u64) {
        self.swap(usage.input.saturating_add(usage.output), cost);
    }

    /// Nothing was used.
    pub fn cancel(self) {
        self.swap(0, 0);
    }

    fn swap(&self, tokens: u64, cost: u64) {
        let window = &self.ledger.0;
        window.give_back(self.at, Axis::Tokens as usize, self.tokens);
        window.give_back(self.at, Axis::Cost as usize, self.cost);
        let now = clock::unix_seconds();
        window.count(now, Axis::Tokens as usize, tokens);
        window.count(now, Axis::Cost as usize, cost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (Arc<Ledger>, File) {
        let file = tempfile::tempfile().expect("file");
        let again = file.try_clone().expect("clone");
        (Arc::new(Ledger::open(file).expect("ledger")), again)
    }

    fn usage(input: u64, output: u64) -> Usage {
        Usage {
            input,
            output,
            cached: 0,
        }
    }

    #[test]
    fn what_is_reserved_cannot_be_spent_twice_and_what_was_not_used_comes_back() {
        let (ledger, _) = ledger();
        let budgets = ModelBudgets {
            tokens: Some(100),
            requests: None,
            cost: None,
        };
        let first = ledger.reserve(&budgets, 80, 0).expect("room");
        let second = ledger.reserve(&budgets, 80, 0).err().expect("none left");
        assert_eq!(
            (second.axis, second.limit, second.spent),
            (Axis::Tokens, 100, 80)
        );
        first.settle(usage(10, 5), 0);
        ledger
            .reserve(&budgets, 80, 0)
            .expect("room again")
            .cancel();
        assert_eq!(ledger.0.spent(clock::unix_seconds())[0], 15);
    }

    #[test]
    fn a_request_whose_cost_does_not_fit_reserves_nothing() {
        let (ledger, _) = ledger();
        let budgets = ModelBudgets {
            tokens: None,
            requests: None,
            cost: Some(10),
        };
        assert_eq!(
            ledger.reserve(&budgets, 5, 11).err().expect("dear").axis,
            Axis::Cost
        );
        assert_eq!(ledger.0.spent(clock::unix_seconds()), [0, 0, 0]);
    }

    #[test]
    fn what_a_crash_left_reserved_counts_as_spent() {
        let (ledger, file) = ledger();
        let budgets = ModelBudgets {
            tokens: Some(100),
            requests: Some(1),
            cost: None,
        };
        assert!(ledger.request(&budgets).is_ok());
        std::mem::forget(ledger.reserve(&budgets, 60, 0).expect("room"));
        let next = Arc::new(Ledger::open(file).expect("ledger"));
        assert!(next.reserve(&budgets, 60, 0).is_err());
        assert!(next.request(&budgets).is_err());
    }
}
