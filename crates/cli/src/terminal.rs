//! Where output goes: results to standard output, everything said about them to standard error.
//!
//! Functions and servers are hostile writers: on a terminal their bytes must not move the cursor, set the title or
//! fill the clipboard, so [`Terminal`] shows control characters in a visible form. Into a pipe bytes go untouched.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::ValueEnum;

/// When output is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What a piece of text is, which decides how it looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// A heading.
    Bold,
    /// Less important than its neighbours.
    Dim,
    /// Went well.
    Good,
    /// Works, but look at it.
    Warning,
    /// Went wrong.
    Bad,
}

impl Style {
    /// The parameter of the ECMA-48 "select graphic rendition" sequence.
    const fn sgr(self) -> &'static str {
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Good => "32",
            Self::Warning => "33",
            Self::Bad => "31",
        }
    }
}

/// One of the two output streams.
struct Stream {
    writer: Mutex<Box<dyn Write + Send>>,
    is_terminal: bool,
    color: bool,
}

impl Stream {
    fn new(writer: Box<dyn Write + Send>, is_terminal: bool, choice: ColorChoice, no_color: bool) -> Self {
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !no_color,
        };
        Self { writer: Mutex::new(writer), is_terminal, color }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        // A poisoned lock means a panic between two writes; the stream itself is still sound.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write_all(bytes)?;
        writer.flush()
    }

    fn paint(&self, style: Style, text: &str) -> String {
        if self.color { format!("\x1b[{}m{text}{RESET}", style.sgr()) } else { text.to_owned() }
    }
}

/// The two output streams and how to write to them.
pub struct Terminal {
    out: Stream,
    err: Stream,
    /// Whether results are written as JSON (`--json`).
    pub json: bool,
}

impl Terminal {
    /// The process's own streams.
    #[must_use]
    pub fn stdio(color: ColorChoice, json: bool) -> Self {
        // no-color.org: present and not empty.
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let (out, err) = (io::stdout(), io::stderr());
        let (out_is_terminal, err_is_terminal) = (out.is_terminal(), err.is_terminal());
        Self {
            out: Stream::new(Box::new(out), out_is_terminal, color, no_color),
            err: Stream::new(Box::new(err), err_is_terminal, color, no_color),
            json,
        }
    }

    /// Streams that are kept in memory, for tests: the terminal, its output, its messages.
    #[must_use]
    pub fn captured(json: bool) -> (Self, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let stream =
            |captured: &Captured| Stream::new(Box::new(captured.clone()), false, ColorChoice::Never, true);
        (Self { out: stream(&out), err: stream(&err), json }, out, err)
    }

    /// Writes a line of our own text to standard output.
    ///
    /// # Errors
    /// When the stream is closed or full.
    pub fn line(&self, text: &str) -> io::Result<()> {
        self.out.write(format!("{text}\n").as_bytes())
    }

    /// Writes bytes that came from outside to standard output: untouched into a pipe, made harmless on a terminal.
    ///
    /// # Errors
    /// When the stream is closed or full.
    pub fn foreign(&self, bytes: &[u8]) -> io::Result<()> {
        if !self.out.is_terminal {
            return self.out.write(bytes);
        }
        let mut text = harmless(&String::from_utf8_lossy(bytes), self.out.color);
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        self.out.write(text.as_bytes())
    }

    /// Text from outside in a form that may stand in a line of ours on standard output.
    #[must_use]
    pub fn quote(&self, text: &str) -> String {
        if self.out.is_terminal { harmless(text, self.out.color) } else { text.to_owned() }
    }

    /// Writes a message for the person at the keyboard to standard error. A message that cannot be shown must not
    /// change the result of the command, hence no error.
    pub fn say(&self, text: &str) {
        let text = if self.err.is_terminal { harmless(text, self.err.color) } else { text.to_owned() };
        let _: io::Result<()> = self.err.write(format!("{text}\n").as_bytes());
    }

    /// Writes an error and what led to it, each cause after a colon.
    pub fn error(&self, error: &dyn std::error::Error) {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        self.say(&format!("{} {text}", self.err.paint(Style::Bad, "error:")));
    }

    /// `text` in `style` for standard output.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        self.out.paint(style, text)
    }

    /// `text` in `style` for standard error.
    #[must_use]
    pub fn paint_message(&self, style: Style, text: &str) -> String {
        self.err.paint(style, text)
    }

    /// Waits for `work`; when it takes long and a person watches, says on standard error what is being waited for.
    pub async fn waiting<F: Future>(&self, what: &str, work: F) -> F::Output {
        if !self.err.is_terminal {
            return work.await;
        }
        // Faster than this is no wait: a line that appears and vanishes only flickers.
        const PATIENCE: Duration = Duration::from_millis(600);
        const FRAME: Duration = Duration::from_millis(100);
        let mut work = std::pin::pin!(work);
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + PATIENCE, FRAME);
        // Erases the line also when the wait is dropped half-way, as Ctrl-C does.
        let mut line = ProgressLine { stream: &self.err, drawn: false };
        for frame in ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"].iter().cycle() {
            tokio::select! {
                biased; // A finished piece of work needs no further frame.
                output = &mut work => return output,
                _ = ticks.tick() => line.draw(&format!("{frame} {what}")),
            }
        }
        unreachable!("a cycle over a non-empty list has no end")
    }
}

/// A line that is redrawn in place and erased at the end.
struct ProgressLine<'a> {
    stream: &'a Stream,
    drawn: bool,
}

impl ProgressLine<'_> {
    fn draw(&mut self, text: &str) {
        self.drawn = true;
        // As in `say`: progress that cannot be shown changes nothing.
        let _: io::Result<()> = self.stream.write(format!("\r\x1b[K{}", harmless(text, false)).as_bytes());
    }
}

impl Drop for ProgressLine<'_> {
    fn drop(&mut self) {
        if self.drawn {
            let _: io::Result<()> = self.stream.write(b"\r\x1b[K");
        }
    }
}

/// Ends every change of the look of text.
const RESET: &str = "\x1b[0m";

/// `text` with control characters made visible. Newlines and tabs stay; with `color` so do sequences that only
/// change the look of text (`ESC [ … m`), without it they are dropped, since nobody wants to read them.
fn harmless(text: &str, color: bool) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    let mut look = RESET;
    while let Some(character) = rest.chars().next() {
        if let Some(length) = sgr_length(rest) {
            if color {
                look = &rest[..length];
                shown.push_str(look);
            }
            rest = &rest[length..];
            continue;
        }
        match character {
            '\n' | '\t' => shown.push(character),
            // Part of a line's end in many programs' output.
            '\r' if rest[1..].starts_with('\n') => {}
            _ if character.is_control() => shown.extend(character.escape_default()),
            _ => shown.push(character),
        }
        rest = &rest[character.len_utf8()..];
    }
    // What the text switched on must not go on in our own lines.
    if look != RESET {
        shown.push_str(RESET);
    }
    shown
}

/// The length of the "select graphic rendition" sequence at the start of `text`.
fn sgr_length(text: &str) -> Option<usize> {
    let parameters = text.strip_prefix("\x1b[")?;
    let end = parameters.find(|c: char| !c.is_ascii_digit() && c != ';')?;
    (parameters.as_bytes()[end] == b'm').then_some(2 + end + 1)
}

/// Output kept in memory.
#[derive(Debug, Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// All that was written so far.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_drive_the_terminal() {
        for (text, color, shown) in [
            ("plain\ttext\r\nnext", false, "plain\ttext\nnext"),
            ("\x1b]0;title\x07", true, "\\u{1b}]0;title\\u{7}"),
            ("\x1b[2J\x1b[31mred\x1b[0m", true, "\\u{1b}[2J\x1b[31mred\x1b[0m"),
            ("\x1b[31mred", true, "\x1b[31mred\x1b[0m"),
            ("\x1b[31mred\x1b[0m", false, "red"),
            ("a\rb", true, "a\\rb"),
            ("\u{9b}31m", true, "\\u{9b}31m"),
            ("\x1b[", true, "\\u{1b}["),
        ] {
            assert_eq!(harmless(text, color), shown, "{text:?}");
        }
    }

    #[test]
    fn color_follows_choice_terminal_and_environment() {
        use ColorChoice::{Always, Auto, Never};
        for (choice, is_terminal, no_color, expected) in [
            (Auto, true, false, true),
            (Auto, true, true, false),
            (Auto, false, false, false),
            (Always, false, true, true),
            (Never, true, false, false),
        ] {
            let stream = Stream::new(Box::new(io::sink()), is_terminal, choice, no_color);
            assert_eq!(stream.color, expected, "{choice:?} {is_terminal} {no_color}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn long_wait_is_shown_and_erased() {
        let captured = Captured::default();
        let stream =
            |captured: &Captured| Stream::new(Box::new(captured.clone()), true, ColorChoice::Never, true);
        let terminal = Terminal { out: stream(&captured), err: stream(&captured), json: false };
        terminal.waiting("soon", tokio::time::sleep(Duration::from_millis(100))).await;
        assert_eq!(captured.text(), "");
        terminal.waiting("long", tokio::time::sleep(Duration::from_millis(650))).await;
        assert_eq!(captured.text(), "\r\x1b[K⠋ long\r\x1b[K");
    }
}
