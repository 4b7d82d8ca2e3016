//! `inference replay`: recorded calls to models, decided again under another policy. The records hold no texts, so what was
//! found then counts as found now.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use nemoclaw_api::audit::record::Record;
use nemoclaw_api::audit::{Event, ModelCall, SENT};
use nemoclaw_policy::choose::{Call, Choice, Found, Moment, Refused, choose};
use nemoclaw_policy::provider::{Providers, load};
use nemoclaw_policy::{Policy, provider};
use serde::Serialize;

use crate::args::{self, Format};
use crate::direct::names;
use crate::fault::Fault;
use crate::models::money;
use crate::node::{Node, require_root};
use crate::printer::{Printer, plain, table};
use crate::verbs::audit;
use crate::verbs::policy::check::nothing;
use crate::verbs::policy::find::{Subject, met};

/// A call before and after.
#[derive(Serialize)]
struct Row {
    time: String,
    sandbox: String,
    model: String,
    label: &'static str,
    before: String,
    after: String,
    /// Why nobody would be asked; `null` where somebody would.
    refused: Option<String>,
    changed: bool,
    /// How many calls the record stands for.
    count: u64,
    cost_micro: u64,
    cost_micro_after: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
struct Totals {
    calls: u64,
    same: u64,
    elsewhere: u64,
    newly_refused: u64,
    newly_sent: u64,
    cost_micro: u64,
    cost_micro_after: u64,
}

#[derive(Serialize)]
struct Document {
    version: u32,
    calls: Vec<Row>,
    totals: Totals,
}

/// Run it.
pub fn run(
    config: Option<&Path>,
    args: &args::Replay,
    printer: Printer,
) -> anyhow::Result<ExitCode> {
    let node = Node::load(config)?;
    let subject = Subject::find(config, &args.policy)?;
    let judge = Judge {
        policy: met(&subject.layers()?).ok_or_else(nothing)?,
        names: subject.names(),
        providers: load(&node.config.providers)?.1,
        sandbox: args.sandbox.as_deref(),
    };
    let mut rows = Vec::new();
    for path in files(&node, args.target.as_deref())? {
        read(&path, &judge, &mut rows)?;
    }
    let totals = totals(&rows);
    if args.changed {
        rows.retain(|row| row.changed);
    }
    match args.output.output {
        Format::Json => printer.json(&Document {
            version: 1,
            calls: rows,
            totals,
        })?,
        Format::Text if totals.calls == 0 => printer.note("no call to a model is on record there"),
        Format::Text => printer.data(text(&rows, &totals))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The files of the log.
fn files(node: &Node, target: Option<&str>) -> anyhow::Result<Vec<PathBuf>> {
    if let Some(path) = target.filter(|target| target.contains('/') || target.contains(".jsonl")) {
        return Ok(vec![PathBuf::from(path)]);
    }
    require_root("inference replay")?;
    let all = audit::names(node)?;
    audit::of(node, names::find(target, &all)?)
}

fn read(path: &Path, judge: &Judge<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Fault::new(format!("cannot read `{}`", path.display())).because(error))?;
    // A line without its end is on its way.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole.lines() {
        let record = Record::parse(line).map_err(|error| {
            Fault::new(format!(
                "`{}` is no audit log, or was changed",
                path.display()
            ))
            .because(error)
            .hint("run `nemoclaw audit verify`")
        })?;
        if let Some(event) = record.event()
            && let Some(call) = &event.model
        {
            rows.push(judge.row(&event, call)?);
        }
    }
    Ok(())
}

/// The other policy.
struct Judge<'a> {
    policy: Policy,
    names: Vec<String>,
    providers: Providers,
    sandbox: Option<&'a str>,
}

impl Judge<'_> {
    fn row(&self, event: &Event, call: &ModelCall) -> anyhow::Result<Row> {
        let decided = self.decide(event, call)?;
        let before = before(call);
        let first = decided
            .as_ref()
            .ok()
            .and_then(|choice| choice.chain.first());
        let after = match first {
            Some(first) => format!("{}/{}", first.provider, first.model),
            None => "refused".to_owned(),
        };
        let count = event.count.unwrap_or(1);
        let same = match (call.decision == SENT, first) {
            // Who answered may not have been the first of the chain: another had failed.
            (true, Some(_)) => decided.as_ref().is_ok_and(|choice| {
                choice
                    .chain
                    .iter()
                    .any(|one| format!("{}/{}", one.provider, one.model) == before)
            }),
            (sent, first) => sent == first.is_some(),
        };
        let (after, served) = if same && first.is_some() {
            (
                before.clone(),
                call.provider.as_deref().zip(call.served.as_deref()),
            )
        } else {
            (after, first.map(|first| (&*first.provider, &*first.model)))
        };
        Ok(Row {
            time: event.time.clone(),
            sandbox: event.sandbox.clone(),
            model: call.model.clone(),
            label: call.label.word(),
            changed: !same,
            before,
            after,
            refused: decided.as_ref().err().map(ToString::to_string),
            count,
            cost_micro: call.cost.saturating_mul(count),
            cost_micro_after: served
                .map_or(0, |(provider, model)| self.cost(call, provider, model))
                .saturating_mul(count),
        })
    }

    fn decide(&self, event: &Event, call: &ModelCall) -> anyhow::Result<Result<Choice, Refused>> {
        let found: Vec<Found> = call
            .found
            .iter()
            .map(|kind| Found {
                detector: Arc::from(kind.detector.as_str()),
                class: kind.class,
            })
            .collect();
        let time: jiff::Timestamp = event
            .time
            .parse()
            .map_err(|_| Fault::new(format!("`{}` is no time of a record", plain(&event.time))))?;
        let moment = Moment::at(time.as_second().unsigned_abs());
        Ok(choose(
            &self.policy,
            &self.providers,
            &Call {
                model: &call.model,
                tokens: call.tokens.max(call.tokens_in),
                tools: call.tools,
                images: call.images,
                sandbox: self.sandbox.unwrap_or(&event.sandbox),
                policies: &self.names,
                day: moment.day,
                minute: moment.minute,
                session: call.session,
                conversation: call.conversation,
                found: &found,
            },
        ))
    }

    /// What the tokens of the call would cost there.
    fn cost(&self, call: &ModelCall, provider: &str, model: &str) -> u64 {
        let entry: Option<&provider::Provider> = self.providers.named(provider);
        let price = entry
            .and_then(|entry| entry.serving.as_ref())
            .map(|serving| serving.price(model))
            .unwrap_or_default();
        price.cost(call.tokens_in, call.tokens_out)
    }
}

/// Who answered then.
fn before(call: &ModelCall) -> String {
    match (&call.provider, &call.served) {
        _ if call.decision != SENT => call.decision.clone(),
        (Some(provider), Some(model)) => format!("{provider}/{model}"),
        (Some(provider), None) => format!("{provider}/{}", call.model),
        (None, _) => SENT.to_owned(),
    }
}

fn totals(rows: &[Row]) -> Totals {
    let mut totals = Totals::default();
    for row in rows {
        totals.calls += row.count;
        totals.cost_micro = totals.cost_micro.saturating_add(row.cost_micro);
        totals.cost_micro_after = totals.cost_micro_after.saturating_add(row.cost_micro_after);
        let kind = match (row.changed, &row.refused) {
            (false, _) => &mut totals.same,
            (true, Some(_)) => &mut totals.newly_refused,
            (true, None) if row.before.contains('/') => &mut totals.elsewhere,
            (true, None) => &mut totals.newly_sent,
        };
        *kind += row.count;
    }
    totals
}

fn text(rows: &[Row], totals: &Totals) -> String {
    let mut cells = vec![
        ["TIME", "MODEL", "LABEL", "BEFORE", "AFTER", "WHY"]
            .map(str::to_owned)
            .to_vec(),
    ];
    cells.extend(rows.iter().map(|row| {
        let after = match row.changed {
            true => row.after.clone(),
            false => "the same".to_owned(),
        };
        let why = row.refused.as_deref().filter(|_| row.changed);
        vec![
            plain(&row.time),
            plain(&row.model),
            row.label.to_owned(),
            plain(&row.before),
            plain(&after),
            plain(why.unwrap_or_default()),
        ]
    }));
    format!(
        "{}\n\n{} calls: {} the same, {} to another model, {} refused now, {} no longer refused; cost {} before, {} after",
        table(&cells),
        totals.calls,
        totals.same,
        totals.elsewhere,
        totals.newly_refused,
        totals.newly_sent,
        money::words(totals.cost_micro),
        money::words(totals.cost_micro_after)
    )
}
