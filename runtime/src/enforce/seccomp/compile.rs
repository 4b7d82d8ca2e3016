//! From rules to BPF programs.

use std::collections::BTreeMap;
use std::str::FromStr;

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, SeccompRule, TargetArch, sock_filter};

use super::SeccompError;

/// The kernel's limit for one program.
const LONGEST: usize = 4096;
/// x32 calls carry this bit in their number.
const X32_BIT: u32 = 0x4000_0000;

/// The call that loads the next program.
const LOADING: syscalls::Sysno = syscalls::Sysno::seccomp;

/// What a profile says, with names turned into numbers.
pub(super) struct Rules {
    /// What every call gets that no rule names.
    pub default: SeccompAction,
    /// The rules, in the profile's order.
    pub calls: Vec<CallRule>,
    /// Names that this architecture does not have.
    pub skipped: usize,
}

/// One call, the action, and the alternatives of which one must hold; no alternative means always.
pub(super) struct CallRule {
    pub number: i64,
    pub action: SeccompAction,
    pub alternatives: Vec<SeccompRule>,
}

/// The number of a call on this architecture.
pub(super) fn number(name: &str) -> Option<i64> {
    syscalls::Sysno::from_str(name)
        .ok()
        .map(|call| i64::from(call.id()))
}

/// A program that refuses x32 calls: their numbers match no rule, so a deny-list would let them pass.
/// Calls of another architecture are ended by every compiled program.
pub(super) fn foreign_calls_guard() -> BpfProgram {
    let load = |offset| sock_filter {
        code: 0x20,
        jt: 0,
        jf: 0,
        k: offset,
    };
    let answer = |k| sock_filter {
        code: 0x06,
        jt: 0,
        jf: 0,
        k,
    };
    vec![
        load(0),
        sock_filter {
            code: 0x35,
            jt: 0,
            jf: 1,
            k: X32_BIT,
        },
        answer(u32::from(SeccompAction::Errno(libc::ENOSYS.unsigned_abs()))),
        answer(u32::from(SeccompAction::Allow)),
    ]
}

/// Compile: a base program with the default action that lets every named call pass, then one per action but allow.
pub(super) fn programs(rules: Rules) -> Result<Vec<BpfProgram>, SeccompError> {
    let mut base = Table::default();
    let mut others: Vec<(SeccompAction, Table)> = Vec::new();
    for rule in rules
        .calls
        .into_iter()
        .filter(|rule| rule.action != rules.default)
    {
        if rule.action != SeccompAction::Allow {
            let table = match others
                .iter_mut()
                .position(|(action, _)| *action == rule.action)
            {
                Some(at) => &mut others[at].1,
                None => {
                    others.push((rule.action.clone(), Table::default()));
                    let last = others.len() - 1;
                    &mut others[last].1
                }
            };
            table.add(rule.number, rule.alternatives.clone());
        }
        base.add(rule.number, rule.alternatives);
    }
    let mut programs = Vec::new();
    if rules.default != SeccompAction::Allow {
        let refuses = !base.names(LOADING);
        programs.push((refuses, base.compile(rules.default, SeccompAction::Allow)?));
    }
    for (action, table) in others {
        let refuses = table.names(LOADING) && action != SeccompAction::Log;
        programs.push((refuses, table.compile(SeccompAction::Allow, action)?));
    }
    // A program that refuses seccomp(2) must be the last that is loaded. A profile has at most one.
    programs.sort_by_key(|(refuses, _)| *refuses);
    Ok(programs.into_iter().map(|(_, program)| program).collect())
}

/// Calls with their alternatives; `None` = always.
#[derive(Default)]
struct Table(BTreeMap<i64, Option<Vec<SeccompRule>>>);

impl Table {
    fn add(&mut self, number: i64, alternatives: Vec<SeccompRule>) {
        let entry = self.0.entry(number).or_insert_with(|| Some(Vec::new()));
        if alternatives.is_empty() {
            *entry = None;
        } else if let Some(known) = entry {
            known.extend(alternatives);
        }
    }

    fn names(&self, call: syscalls::Sysno) -> bool {
        self.0.contains_key(&i64::from(call.id()))
    }

    fn compile(
        self,
        otherwise: SeccompAction,
        on_match: SeccompAction,
    ) -> Result<BpfProgram, SeccompError> {
        let rules = self
            .0
            .into_iter()
            .map(|(number, rules)| (number, rules.unwrap_or_default()))
            .collect();
        let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(SeccompError::Compile)?;
        let filter =
            SeccompFilter::new(rules, otherwise, on_match, arch).map_err(SeccompError::Compile)?;
        let program = BpfProgram::try_from(filter).map_err(SeccompError::Compile)?;
        if program.len() > LONGEST {
            Err(SeccompError::TooLong(program.len()))
        } else {
            Ok(program)
        }
    }
}
