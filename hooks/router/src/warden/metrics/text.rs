//! The numbers as OpenMetrics text.

use std::fmt::Error;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::tally::OTHER;
use super::{Numbers, SANDBOXES, SandboxNumbers};
use crate::meters::{ANSWER, Counts, DECISION};

const NANO: f64 = 1e-9;

/// The text, with its end mark.
#[must_use]
pub fn render(numbers: Numbers) -> String {
    let mut registry = Registry::with_prefix("nemoclaw");
    registry.register_collector(Box::new(Page(bounded(numbers))));
    let mut out = String::new();
    match text::encode(&mut out, &registry) {
        Ok(()) => out,
        // Writing to a text does not fail; a page without its end mark would be taken for a broken one.
        Err(_) => "# EOF\n".to_owned(),
    }
}

/// Sandboxes beyond [`SANDBOXES`] are one.
fn bounded(mut numbers: Numbers) -> (Numbers, u64) {
    let all = numbers.sandboxes.len() as u64;
    if numbers.sandboxes.len() > SANDBOXES {
        let mut rest = SandboxNumbers {
            name: OTHER.to_owned(),
            ..SandboxNumbers::default()
        };
        for sandbox in numbers.sandboxes.drain(SANDBOXES..) {
            rest.connections += sandbox.connections;
            rest.faulty |= sandbox.faulty;
            rest.tally.add(&sandbox.tally);
        }
        numbers.sandboxes.push(rest);
    }
    (numbers, all)
}

#[derive(Debug)]
struct Page((Numbers, u64));

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        let (numbers, sandboxes) = &self.0;
        router(&mut encoder, numbers, *sandboxes)?;
        audit(&mut encoder, numbers)?;
        traffic(&mut encoder, &numbers.sandboxes)?;
        policies(&mut encoder, &numbers.sandboxes)?;
        let help = "Time that the decision on a request took.";
        histogram(&mut encoder, "decision", help, &numbers.decisions, DECISION)?;
        let help = "Time from a request to the beginning of the upstream's answer.";
        histogram(
            &mut encoder,
            "upstream_answer",
            help,
            &numbers.answers,
            ANSWER,
        )
    }
}

fn router(
    encoder: &mut DescriptorEncoder<'_>,
    numbers: &Numbers,
    sandboxes: u64,
) -> Result<(), Error> {
    encoder
        .encode_descriptor("router", "The router.", None, MetricType::Info)?
        .encode_info(&[("version", numbers.version.as_str())])?;
    let help = "When the router was started, since 1970.";
    encoder
        .encode_descriptor(
            "router_start",
            help,
            Some(&Unit::Seconds),
            MetricType::Gauge,
        )?
        .encode_gauge(&numbers.started)?;
    gauge(
        encoder,
        "router_worker_up",
        "Whether a worker serves.",
        u64::from(numbers.worker),
    )?;
    let help = "How often a worker was started again.";
    counter(encoder, "router_worker_restarts", help, numbers.restarts)?;
    gauge(
        encoder,
        "sandboxes",
        "Sandboxes that are served.",
        sandboxes,
    )
}

fn audit(encoder: &mut DescriptorEncoder<'_>, numbers: &Numbers) -> Result<(), Error> {
    let audit = numbers.audit;
    counter(
        encoder,
        "audit_records",
        "Lines written to audit logs.",
        audit.records,
    )?;
    let help = "Signatures under audit logs.";
    counter(encoder, "audit_signatures", help, audit.signatures)?;
    let help = "Refusals that were counted in a line of others.";
    counter(encoder, "audit_counted_refusals", help, audit.counted)?;
    counter(
        encoder,
        "audit_turns",
        "Audit files that were turned over.",
        audit.turns,
    )?;
    let help = "Whether an audit log cannot be written, so that nothing new passes.";
    gauge(encoder, "audit_faulty", help, u64::from(audit.faulty))
}

fn traffic(encoder: &mut DescriptorEncoder<'_>, sandboxes: &[SandboxNumbers]) -> Result<(), Error> {
    let help = "Decisions on look-ups, connections and requests.";
    let mut family = encoder.encode_descriptor("decisions", help, None, MetricType::Counter)?;
    for sandbox in sandboxes {
        for ((kind, verdict), count) in &sandbox.tally.decisions {
            let labels = [
                ("sandbox", sandbox.name.as_str()),
                ("kind", kind),
                ("verdict", verdict),
            ];
            count_in(&mut family, &labels, *count)?;
        }
    }
    let help = "Bytes of flows that have ended, out of the sandbox and in.";
    let bytes = Some(&Unit::Bytes);
    let mut family = encoder.encode_descriptor("traffic", help, bytes, MetricType::Counter)?;
    for sandbox in sandboxes {
        let tally = &sandbox.tally;
        for (direction, count) in [("out", tally.bytes_out), ("in", tally.bytes_in)] {
            let labels = [("sandbox", sandbox.name.as_str()), ("direction", direction)];
            count_in(&mut family, &labels, count)?;
        }
    }
    let mut family =
        encoder.encode_descriptor("connections", "Open connections.", None, MetricType::Gauge)?;
    for sandbox in sandboxes {
        gauge_in(&mut family, &sandbox.name, sandbox.connections)?;
    }
    Ok(())
}

fn policies(
    encoder: &mut DescriptorEncoder<'_>,
    sandboxes: &[SandboxNumbers],
) -> Result<(), Error> {
    let help = "Generation of the policies in force.";
    let mut family =
        encoder.encode_descriptor("policy_generation", help, None, MetricType::Gauge)?;
    for sandbox in sandboxes {
        gauge_in(&mut family, &sandbox.name, sandbox.generation)?;
    }
    let help = "Changes of policies: in force, or refused.";
    let mut family =
        encoder.encode_descriptor("policy_reloads", help, None, MetricType::Counter)?;
    for sandbox in sandboxes {
        let tally = &sandbox.tally;
        for (outcome, count) in [("accepted", tally.accepted), ("refused", tally.refused)] {
            let labels = [("sandbox", sandbox.name.as_str()), ("outcome", outcome)];
            count_in(&mut family, &labels, count)?;
        }
    }
    let help = "Whether the policy on disk is not the one in force.";
    let mut family = encoder.encode_descriptor("policy_faulty", help, None, MetricType::Gauge)?;
    for sandbox in sandboxes {
        gauge_in(&mut family, &sandbox.name, u64::from(sandbox.faulty))?;
    }
    Ok(())
}

fn counter(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), Error> {
    encoder
        .encode_descriptor(name, help, None, MetricType::Counter)?
        .encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn gauge(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: u64,
) -> Result<(), Error> {
    encoder
        .encode_descriptor(name, help, None, MetricType::Gauge)?
        .encode_gauge(&value)
}

fn count_in(
    family: &mut MetricEncoder<'_>,
    labels: &impl EncodeLabelSet,
    value: u64,
) -> Result<(), Error> {
    family
        .encode_family(labels)?
        .encode_counter::<NoLabelSet, _, u64>(&value, None)
}

fn gauge_in(family: &mut MetricEncoder<'_>, sandbox: &str, value: u64) -> Result<(), Error> {
    family
        .encode_family(&[("sandbox", sandbox)])?
        .encode_gauge(&value)
}

fn histogram(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    counts: &Counts,
    bounds: &[f64],
) -> Result<(), Error> {
    let bounds = bounds.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = bounds.zip(counts.buckets.iter().copied()).collect();
    let all = buckets.iter().map(|(_, count)| count).sum();
    encoder
        .encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?
        .encode_histogram::<NoLabelSet>(counts.nanoseconds as f64 * NANO, all, &buckets, None)
}

#[cfg(test)]
mod tests {
    use super::super::Tally;
    use super::*;

    #[test]
    fn however_many_sandboxes_there_are_a_page_has_a_bounded_number_of_lines() {
        let sandbox = |number: usize| {
            let mut tally = Tally::default();
            tally.decisions.insert(("http", "deny"), 1);
            SandboxNumbers {
                name: format!("box-{number}"),
                tally,
                ..SandboxNumbers::default()
            }
        };
        let page = |count: usize| {
            render(Numbers {
                sandboxes: (0..count).map(sandbox).collect(),
                decisions: Counts::new(DECISION),
                answers: Counts::new(ANSWER),
                ..Numbers::default()
            })
        };
        assert_eq!(
            page(5000).lines().count(),
            page(SANDBOXES + 1).lines().count()
        );
        let text = page(5000);
        assert!(text.contains("nemoclaw_sandboxes 5000\n"), "{text}");
        let rest = format!(
            "nemoclaw_decisions_total{{sandbox=\"other\",kind=\"http\",verdict=\"deny\"}} {}\n",
            5000 - SANDBOXES
        );
        assert!(text.contains(&rest), "{text}");
        assert!(text.ends_with("# EOF\n"));
    }
}
