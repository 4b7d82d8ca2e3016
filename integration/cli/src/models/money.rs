//! Amounts in millionths of a currency that nobody names.

/// The amount with two to six digits behind the point.
pub fn words(micro: u64) -> String {
    let mut text = format!("{}.{:06}", micro / 1_000_000, micro % 1_000_000);
    while text.ends_with('0') && text.rsplit('.').next().is_some_and(|end| end.len() > 2) {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn cents_are_always_told_and_smaller_parts_where_they_are() {
        assert_eq!(words(0), "0.00");
        assert_eq!(words(1_500_000), "1.50");
        assert_eq!(words(150), "0.00015");
        assert_eq!(words(12_345_678), "12.345678");
    }
}
