//! The picture: pure, so that the screen and `--once` show the same.

use nemoclaw_api::audit::Event;
use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::{Constraint, Layout};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Paragraph, Row as Cells, Table};

use super::board::{Board, Row};
use crate::verbs::logs::sentence;

/// Lines for refusals in a picture that is printed.
const PRINTED_DENIALS: usize = 10;

/// Draw it.
pub fn draw(frame: &mut Frame<'_>, board: &Board) {
    let rows = u16::try_from(board.rows.len()).unwrap_or(u16::MAX);
    let [head, sandboxes, denials] = Layout::vertical([
        Constraint::Length(2),
        Constraint::Max(rows.saturating_add(2).max(3)),
        Constraint::Min(3),
    ])
    .areas(frame.area());
    frame.render_widget(Paragraph::new(header(board)), head);
    frame.render_widget(table(board), sandboxes);
    let lines: Vec<Line<'_>> = board.denials.iter().map(denial).collect();
    let block = Block::new().borders(Borders::TOP).title(" refused ");
    frame.render_widget(Paragraph::new(lines).block(block), denials);
}

/// The same as lines of text, as high as it needs to be.
pub fn text(board: &Board, columns: u16) -> anyhow::Result<String> {
    let height = 2 + board.rows.len().max(1) + 2 + 1 + board.denials.len().min(PRINTED_DENIALS);
    let height = u16::try_from(height.max(8)).unwrap_or(u16::MAX);
    let mut terminal = Terminal::new(TestBackend::new(columns, height))?;
    terminal.draw(|frame| draw(frame, board))?;
    let buffer = terminal.backend().buffer();
    let line = |row: u16| {
        let cells = (0..columns).filter_map(|column| buffer.cell((column, row)));
        let line: String = cells.map(|cell| cell.symbol()).collect();
        line.trim_end().to_owned()
    };
    let lines: Vec<String> = (0..height).map(line).collect();
    Ok(lines.join("\n").trim_end().to_owned())
}

fn header(board: &Board) -> Vec<Line<'_>> {
    let mut first = vec![Span::from("router ").bold()];
    match (&board.silent, &board.router) {
        (Some(why), _) => first.push(Span::from(why.as_str()).red()),
        (None, Some(router)) => {
            first.push(Span::from(format!(
                "{}, {} sandboxes",
                router.version, router.boxes
            )));
            if router.worker_pid.is_none() {
                first.push(", the worker is being started again".red());
            }
            if router.restarts > 0 {
                first.push(Span::from(format!(", {} restarts", router.restarts)).yellow());
            }
            if let Some(fault) = &router.audit_fault {
                first.push(Span::from(format!("  {fault}; nothing new passes")).red());
            }
        }
        (None, None) => first.push("is asked".into()),
    }
    let total = |of: fn(&Row) -> f64| board.rows.iter().map(of).sum::<f64>();
    let connections: u64 = board.rows.iter().map(|row| row.status.connections).sum();
    let second = format!(
        "{connections} connections, {}/s allowed, {}/s denied, {}/s   sorted by {}",
        rate(total(|row| row.allowed)),
        rate(total(|row| row.denied)),
        size(total(|row| row.bytes)),
        board.order.word(),
    );
    vec![Line::from(first), Line::from(second)]
}

fn table(board: &Board) -> Table<'_> {
    let names = [
        "SANDBOX",
        "OPEN",
        "ALLOW/s",
        "DENY/s",
        "ALLOWED",
        "DENIED",
        "TRAFFIC/s",
        "GEN",
        "POLICY",
    ];
    let widths = [
        Constraint::Min(16),
        Constraint::Length(6),
        Constraint::Length(8),
        Constraint::Length(8),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(5),
        Constraint::Min(12),
    ];
    let rows = board.rows.iter().skip(board.first).map(row);
    Table::new(rows, widths)
        .header(Cells::new(names).style(Style::new().bold()))
        .block(Block::new().borders(Borders::TOP).title(" sandboxes "))
}

fn row(row: &Row) -> Cells<'_> {
    let status = &row.status;
    let short: String = status.sandbox.chars().take(32).collect();
    let mut policy = status.policies.join(" & ");
    if status.fault.is_some() {
        policy.push_str(" (faulty on disk)");
    }
    let style = if row.denied > 0.0 || status.fault.is_some() {
        Style::new().yellow()
    } else {
        Style::new()
    };
    Cells::new([
        short,
        status.connections.to_string(),
        rate(row.allowed),
        rate(row.denied),
        status.allowed.to_string(),
        status.denied.to_string(),
        size(row.bytes),
        status.generation.to_string(),
        policy,
    ])
    .style(style)
}

/// When, who, what.
fn denial(event: &Event) -> Line<'_> {
    let time = event.time.get(11..19).unwrap_or(&event.time);
    let short: String = event.sandbox.chars().take(12).collect();
    Line::from(format!("{time}  {short:<12}  {}", sentence(event)))
}

fn rate(number: f64) -> String {
    if number == 0.0 || number >= 10.0 {
        format!("{number:.0}")
    } else {
        format!("{number:.1}")
    }
}

fn size(bytes: f64) -> String {
    const STEP: f64 = 1024.0;
    let mut left = bytes;
    for unit in ["B", "KiB", "MiB"] {
        if left < STEP {
            return format!("{} {unit}", rate(left));
        }
        left /= STEP;
    }
    format!("{} GiB", rate(left))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::super::board::tests::{look, status};
    use super::*;

    #[test]
    fn a_picture_shows_sandboxes_rates_and_refusals_and_nothing_that_a_terminal_obeys() {
        let begin = Instant::now();
        let mut board = Board::default();
        board.take(look(begin, vec![status("worker", 10, 1, 4)]));
        let mut now = status("worker", 30, 3, 4);
        if let Some(last) = &mut now.last_denial {
            last.path = Some("/\u{1b}[2J\u{9b}31mx".into());
        }
        board.take(look(begin + Duration::from_secs(2), vec![now]));
        let text = text(&board, 120).unwrap();
        assert!(
            !text.contains(|letter: char| letter.is_control() && letter != '\n'),
            "{text:?}"
        );
        for part in [
            "router 0.1.0, 1 sandboxes",
            "4 connections, 10/s allowed, 1.0/s denied, 2.0 KiB/s   sorted by name",
            "SANDBOX",
            "worker",
            "00:00:03  worker        deny http evil.test:443/",
            "- no rule",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        board.take(super::super::board::Look {
            at: begin,
            answers: Err("the router is not running".into()),
        });
        let text = super::text(&board, 120).unwrap();
        assert!(text.contains("router the router is not running"), "{text}");
    }
}
