//! A difference of two texts, line by line, with a few lines around each change.

/// Lines shown before and after a change.
const AROUND: usize = 3;
/// Above this many lines in the changed part, all of it is shown as gone and come: the table would take too long.
const LARGE: usize = 2000;

/// A line of the difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Gone(&'a str),
    Come(&'a str),
}

/// Changed lines with `- ` or `+ ` before them, their neighbours with `  `, and `…` for what is left out.
pub fn lines(old: &str, new: &str) -> String {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    let all = compare(&old, &new);
    let changed = |line: &Line<'_>| !matches!(line, Line::Same(_));
    let mut out: Vec<String> = Vec::new();
    let mut left_out = false;
    for (at, line) in all.iter().enumerate() {
        let near = &all[at.saturating_sub(AROUND)..(at + AROUND + 1).min(all.len())];
        if !near.iter().any(changed) {
            left_out = true;
            continue;
        }
        if std::mem::take(&mut left_out) {
            out.push("  …".to_owned());
        }
        out.push(match line {
            Line::Same(text) => format!("  {text}"),
            Line::Gone(text) => format!("- {text}"),
            Line::Come(text) => format!("+ {text}"),
        });
    }
    if left_out {
        out.push("  …".to_owned());
    }
    out.join("\n")
}

/// By the longest common subsequence of what lies between the common beginning and the common end.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let before = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[before..], &new[before..]);
    let ends = old_rest.iter().rev().zip(new_rest.iter().rev());
    let after = ends.take_while(|(a, b)| a == b).count();
    let mut out: Vec<Line<'a>> = old[..before].iter().map(|line| Line::Same(line)).collect();
    out.extend(middle(
        &old_rest[..old_rest.len() - after],
        &new_rest[..new_rest.len() - after],
    ));
    out.extend(old[old.len() - after..].iter().map(|line| Line::Same(line)));
    out
}

fn middle<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Line<'a>> {
    let gone = old.iter().map(|line| Line::Gone(line));
    let come = new.iter().map(|line| Line::Come(line));
    if old.len().max(new.len()) > LARGE {
        return gone.chain(come).collect();
    }
    // common[i][j]: length of the longest common subsequence of old[i..] and new[j..].
    let mut common = vec![vec![0_usize; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            let longer = common[i + 1][j].max(common[i][j + 1]);
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                longer
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            out.push(Line::Same(old[i]));
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || (i < old.len() && common[i + 1][j] >= common[i][j + 1]) {
            out.push(Line::Gone(old[i]));
            i += 1;
        } else {
            out.push(Line::Come(new[j]));
            j += 1;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn what_stays_what_goes_and_what_comes() {
        assert_eq!(
            lines("a\nb\nc\n", "a\nx\nc\nd\n"),
            "  a\n- b\n+ x\n  c\n+ d"
        );
        assert_eq!(lines("", "a\n"), "+ a");
    }

    #[test]
    fn only_the_neighbourhood_of_a_change_is_shown() {
        let old: String = (0..50).map(|n| format!("line {n}\n")).collect();
        let new = old.replace("line 20\n", "");
        assert_eq!(
            lines(&old, &new),
            "  …\n  line 17\n  line 18\n  line 19\n- line 20\n  line 21\n  line 22\n  line 23\n  …"
        );
    }
}
