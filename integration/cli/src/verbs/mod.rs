//! One file a verb: arguments in, calls of the library parts, output. Nothing else lives here.

pub mod approvals;
pub mod audit;
pub mod connect;
pub mod doctor;
pub mod exec;
pub mod inference;
pub mod keep;
pub mod kubernetes;
pub mod list;
pub mod logs;
pub mod policy;
pub mod privacy;
pub mod provider;
pub mod register;
pub mod rm;
pub mod router;
pub mod run;
pub mod status;
pub mod stop;
pub mod top;

use std::process::ExitCode;

use crate::args::{self, Args, Verb};
use crate::direct::boxes::{self, Sandbox};
use crate::direct::names;
use crate::fault::Fault;
use crate::node::{self, Node};
use crate::printer::Printer;

/// Do what was asked.
pub fn dispatch(args: &Args, printer: Printer) -> anyhow::Result<ExitCode> {
    if let Some(name) = printed_name(&args.verb) {
        node::require_root(name)?;
    }
    let node = || Node::load(args.config.as_deref());
    match &args.verb {
        Verb::Run(run) => run::run(&node()?, run, printer),
        Verb::Keep(target) => keep::run(&node()?, target, printer),
        Verb::List(output) => list::run(&node()?, output, printer),
        Verb::Status(status) => status::run(&node()?, status, printer),
        Verb::Logs(logs) => logs::run(&node()?, logs, printer),
        Verb::Exec(exec) => exec::run(&node()?, exec, printer),
        Verb::Connect(target) => connect::run(&node()?, target, printer),
        Verb::Stop(target) => stop::run(&node()?, target, printer),
        Verb::Rm(rm) => rm::run(&node()?, rm, args.no_input, printer),
        Verb::Doctor(output) => doctor::run(args.config.as_deref(), output, printer),
        Verb::Policy(policy) => policy::run(args, policy, printer),
        Verb::Approvals(verb) => approvals::run(&node()?, verb, printer),
        Verb::Provider(verb) => provider::run(&node()?, verb, printer),
        Verb::Inference(inference) => inference::run(args, inference, printer),
        Verb::Privacy(privacy) => privacy::run(args, privacy, printer),
        Verb::Router(router) => router::run(&node()?, *router, printer),
        Verb::Top(top) => top::run(&node()?, top, printer),
        Verb::Audit(audit) => audit::run(&node()?, audit, printer),
        Verb::BecomeRouter => router::become_router(&node()?),
        Verb::Register(engine) => register::register(args.config.as_deref(), engine, printer),
        Verb::Unregister(engine) => register::unregister(engine, printer),
    }
}

/// How a verb that needs root is written; `None` for those that anyone may use.
fn printed_name(verb: &Verb) -> Option<&'static str> {
    Some(match verb {
        Verb::Run(_) => "run",
        Verb::List(_) => "list",
        Verb::Status(_) => "status",
        Verb::Logs(_) => "logs",
        Verb::Exec(_) => "exec",
        Verb::Connect(_) => "connect",
        Verb::Stop(_) => "stop",
        Verb::Rm(_) => "rm",
        Verb::Approvals(_) => "approvals",
        // It dials loopback alone, and reads nothing of root's.
        Verb::Provider(args::Provider::Detect(_)) => return None,
        Verb::Provider(_) => "provider",
        Verb::Router(_) | Verb::BecomeRouter => "router",
        Verb::Keep(_) => "keep",
        Verb::Top(_) => "top",
        Verb::Audit(_)
        | Verb::Doctor(_)
        | Verb::Inference(_)
        | Verb::Policy(_)
        | Verb::Privacy(_)
        | Verb::Register(_)
        | Verb::Unregister(_) => return None,
    })
}

/// The direct sandbox that is meant. One that only the router knows belongs to another engine, and the error says so.
pub fn pick(node: &Node, wanted: Option<&str>) -> anyhow::Result<Sandbox> {
    let own = boxes::names(node)?;
    let missing = match names::find(wanted, &own) {
        Ok(name) => return Ok(Sandbox::new(node, name)),
        Err(error) => error,
    };
    let Some(wanted) = wanted else {
        return Err(missing);
    };
    // Only for a better sentence: without a router there is nothing more to say.
    let others = router::boxes(node).unwrap_or_default();
    match others
        .iter()
        .find(|one| one.sandbox.starts_with(wanted) && !own.contains(&one.sandbox))
    {
        None => Err(missing),
        Some(other) => {
            let short: String = other.sandbox.chars().take(12).collect();
            let fault = Fault::new(format!("sandbox `{short}` belongs to another engine"));
            Err(fault
                .hint(format!(
                    "use that engine's command, such as `docker exec {short} …`"
                ))
                .into())
        }
    }
}
