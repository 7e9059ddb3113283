//! The little of JSON that is written here.

use std::fmt::Write;

/// A text as a string of JSON, which can also be part of a script in HTML.
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // `</script>` would end the script, and JavaScript once took the last two for ends of lines.
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\u{0}'..='\u{1f}' => {
                write!(out, "\\u{:04x}", c as u32).expect("a string takes all");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of things that are JSON already.
pub fn list(items: impl IntoIterator<Item = String>) -> String {
    let items: Vec<String> = items.into_iter().collect();
    format!("[{}]", items.join(","))
}

/// A number; what is none becomes 0.
pub fn float(value: f64) -> String {
    if value.is_finite() { format!("{value}") } else { "0".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_neither_end_its_string_nor_the_script() {
        assert_eq!(string("a\"b\\c\n</script>"), r#""a\"b\\c\u000a\u003c/script\u003e""#);
        assert_eq!(float(f64::NAN), "0");
    }
}
