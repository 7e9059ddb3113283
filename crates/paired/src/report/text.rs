//! Prose of the generated pages, in lines as narrow as those of the code.

use std::fmt::{Result, Write};

/// The widest line of prose.
const WIDTH: usize = 110;

/// Appends a paragraph or, with `- ` before it, an item of a list whose further lines are indented as far.
pub fn paragraph(text: &mut String, before: &str, words: &str) -> Result {
    let indent = " ".repeat(before.chars().count());
    let mut line = before.to_owned();
    let mut is_empty = true;
    for word in words.split_whitespace() {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            writeln!(text, "{line}")?;
            line.clone_from(&indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    if is_empty { Ok(()) } else { writeln!(text, "{line}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_is_too_wide_and_no_word_is_lost() {
        let words = (0..200).map(|number| format!("word{number}")).collect::<Vec<_>>().join(" ");
        let mut text = String::new();
        paragraph(&mut text, "- ", &words).expect("a string");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.len() > 10 && lines.iter().all(|line| line.len() <= WIDTH));
        assert!(lines[0].starts_with("- word0 ") && lines[1].starts_with("  word"));
        assert_eq!(text.trim_start_matches("- ").split_whitespace().collect::<Vec<_>>().join(" "), words);
    }

    #[test]
    fn a_word_that_is_too_wide_has_a_line_of_its_own() {
        let wide = "x".repeat(2 * WIDTH);
        let mut text = String::new();
        paragraph(&mut text, "", &format!("a {wide} b")).expect("a string");
        assert_eq!(text, format!("a\n{wide}\nb\n"));
        text.clear();
        paragraph(&mut text, "- ", " ").expect("a string");
        assert_eq!(text, "");
    }
}
