//! Columns that line up.

use crate::Terminal;
use crate::terminal::Style;

/// A table with a heading. The last column is not padded.
pub(crate) struct Table {
    heading: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(heading: &[&'static str]) -> Self {
        Self { heading: heading.to_vec(), rows: Vec::new() }
    }

    /// Adds a row; each cell is one line, whatever is in it.
    pub(crate) fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.heading.len(), "a cell for each column");
        self.rows.push(cells.into_iter().map(|cell| cell.replace(['\n', '\r', '\t'], " ")).collect());
    }

    /// The lines of the table, the heading first.
    pub(crate) fn lines(&self, terminal: &Terminal) -> Vec<String> {
        // Width is counted in characters: names and versions of functions are ASCII.
        let width = |column: usize| {
            let cells = self.rows.iter().map(|row| row[column].chars().count());
            cells.chain([self.heading[column].len()]).max().unwrap_or_default()
        };
        let widths: Vec<usize> = (0..self.heading.len()).map(width).collect();
        let heading = self.heading.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        let mut lines = vec![terminal.paint(Style::Bold, &join(&heading, &widths))];
        lines.extend(self.rows.iter().map(|row| terminal.quote(&join(row, &widths))));
        lines
    }
}

fn join(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<String> =
        cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    padded.join("  ").trim_end().to_owned()
}
