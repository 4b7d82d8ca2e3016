//! `top`: a live picture of the sandboxes, as the router sees them.

mod board;
mod picture;
mod screen;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nemoclaw_api::client::Client;

use crate::args::Top;
use crate::fault::Fault;
use crate::node::Node;
use crate::printer::Printer;
use board::{Board, Look};

/// Columns of a picture that is printed.
const COLUMNS: u16 = 120;

/// Run it.
pub fn run(node: &Node, args: &Top, printer: Printer) -> anyhow::Result<ExitCode> {
    let interval = Duration::from_secs(args.interval);
    if args.once {
        let mut board = Board::default();
        board.take(look(node));
        if let Some(why) = board.silent {
            return Err(Fault::new(why).into());
        }
        // What happens in a second is known after one.
        std::thread::sleep(interval);
        board.take(look(node));
        printer.data(picture::text(&board, COLUMNS)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        let fault = Fault::new("`nemoclaw top` needs a terminal");
        return Err(fault
            .hint("run `nemoclaw status`, or `nemoclaw top --once` for one picture as text")
            .into());
    }
    screen::run(interval, || look(node))?;
    Ok(ExitCode::SUCCESS)
}

/// Ask the router.
fn look(node: &Node) -> Look {
    let connect = || Client::connect(&node.config.router.socket);
    let answers = connect()
        .and_then(Client::list)
        .and_then(|boxes| Ok((boxes, connect()?.status()?)));
    Look {
        at: Instant::now(),
        answers: answers.map_err(|error| error.to_string()),
    }
}
