//! Tables for people.

/// Lines whose columns stand below each other; those of numbers end together.
pub fn lines<const N: usize>(head: [&str; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |n: usize| rows.iter().map(|row| row[n].chars().count()).chain([head[n].len()]).max();
    let widths: Vec<_> = (0..N).map(|n| width(n).unwrap_or_default()).collect();
    let is_number = |n: usize| {
        let mut cells = rows.iter().map(|row| row[n].as_str());
        !rows.is_empty() && cells.all(|cell| cell.starts_with(|c: char| c.is_ascii_digit() || c == '-'))
    };
    let numbers: Vec<_> = (0..N).map(is_number).collect();
    let line = |cells: [&str; N]| {
        let cells = cells.iter().enumerate().map(|(n, cell)| {
            let width = widths[n];
            if numbers[n] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let rows = rows.iter().map(|row| line(row.each_ref().map(String::as_str)));
    std::iter::once(line(head)).chain(rows).collect()
}

#[cfg(test)]
mod tests {
    use super::lines;

    #[test]
    fn columns() {
        let rows = [["ab", "7", "x"], ["c", "12", ""]].map(|row| row.map(String::from));
        assert_eq!(lines(["n", "size", "more"], &rows), ["n   size  more", "ab     7  x", "c     12"]);
    }
}
