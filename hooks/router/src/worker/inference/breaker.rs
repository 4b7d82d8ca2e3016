//! Providers that fail again and again are left alone for a while, and one that is full is not asked.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::limits;

/// What is known of all providers.
#[derive(Default)]
pub struct Breakers(Mutex<HashMap<Arc<str>, State>>);

#[derive(Default)]
struct State {
    failures: u32,
    closed_until: Option<Instant>,
    under_way: u32,
}

/// Why a provider is not asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    /// It failed too often.
    #[error(
        "it failed {} times in a row and is left alone for a while",
        limits::MODEL_FAILURES
    )]
    Broken,
    /// Its entry allows no more requests at once.
    #[error("it answers as many requests as its entry allows at once")]
    Full,
}

/// A request that a provider answers.
pub struct Asking {
    breakers: Arc<Breakers>,
    provider: Arc<str>,
    /// Whether it tries out a provider that was left alone, and has not told yet how it is.
    trial: AtomicBool,
}

impl Breakers {
    fn states(&self) -> MutexGuard<'_, HashMap<Arc<str>, State>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begin a request.
    ///
    /// # Errors
    /// The provider is broken or full.
    pub fn begin(
        self: &Arc<Self>,
        provider: &Arc<str>,
        most: Option<u32>,
    ) -> Result<Asking, NotNow> {
        let mut states = self.states();
        let state = states.entry(provider.clone()).or_default();
        let now = Instant::now();
        if state.closed_until.is_some_and(|until| now < until) {
            return Err(NotNow::Broken);
        }
        if most.is_some_and(|most| state.under_way >= most) {
            return Err(NotNow::Full);
        }
        let trial = state.closed_until.is_some();
        if trial {
            // One request tries it out; until that has ended the others wait on.
            state.closed_until = Some(now + limits::MODEL_REST);
        }
        state.under_way += 1;
        Ok(Asking {
            breakers: self.clone(),
            provider: provider.clone(),
            trial: AtomicBool::new(trial),
        })
    }

    /// Forget providers that no entry names any more.
    pub fn keep(&self, known: impl Fn(&str) -> bool) {
        self.states()
            .retain(|name, state| known(name) || state.under_way > 0);
    }
}

impl Asking {
    /// It answered.
    pub fn answered(&self) {
        self.trial.store(false, Ordering::Relaxed);
        if let Some(state) = self.breakers.states().get_mut(&self.provider) {
            state.failures = 0;
            state.closed_until = None;
        }
    }

    /// It did not.
    pub fn failed(&self) {
        self.trial.store(false, Ordering::Relaxed);
        if let Some(state) = self.breakers.states().get_mut(&self.provider) {
            state.failures += 1;
            if state.failures >= limits::MODEL_FAILURES {
                state.closed_until = Some(Instant::now() + limits::MODEL_REST);
            }
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(state) = self.breakers.states().get_mut(&self.provider) {
            state.under_way = state.under_way.saturating_sub(1);
            if self.trial.load(Ordering::Relaxed) {
                // It has shown nothing: the next one tries.
                state.closed_until = Some(Instant::now());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_fails_is_left_alone_and_tried_again_by_one_request() {
        let breakers = Arc::<Breakers>::default();
        let name: Arc<str> = "cloud".into();
        for _ in 0..limits::MODEL_FAILURES {
            breakers.begin(&name, None).expect("asked").failed();
        }
        assert_eq!(breakers.begin(&name, None).err(), Some(NotNow::Broken));
        tokio::time::advance(limits::MODEL_REST).await;
        let trial = breakers.begin(&name, None).expect("one tries");
        assert_eq!(breakers.begin(&name, None).err(), Some(NotNow::Broken));
        drop(trial);
        let trial = breakers.begin(&name, None).expect("the next one tries");
        assert_eq!(breakers.begin(&name, None).err(), Some(NotNow::Broken));
        trial.answered();
        assert!(breakers.begin(&name, None).is_ok());
    }

    #[test]
    fn a_full_provider_is_not_asked_until_an_answer_has_ended() {
        let breakers = Arc::<Breakers>::default();
        let name: Arc<str> = "small".into();
        let first = breakers.begin(&name, Some(1));
        assert_eq!(breakers.begin(&name, Some(1)).err(), Some(NotNow::Full));
        drop(first);
        assert!(breakers.begin(&name, Some(1)).is_ok());
    }
}
