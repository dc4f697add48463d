//! Where limits are counted that hold over all instances: one counter (NATS ADR-49) for each limit, window of time, and key.

/// The span that a limit is for: a stream keeps its counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// From one full minute to the next.
    Minute,
    /// From one full hour to the next.
    Hour,
}

/// All counters, of all spans.
pub const COUNTS: &str = "kez.count.*.*.*.*";

impl Span {
    /// All spans.
    pub const ALL: [Self; 2] = [Self::Minute, Self::Hour];

    fn name(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
        }
    }

    /// How long it is, in seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }

    /// The stream of its counters.
    pub fn stream(self) -> &'static str {
        match self {
            Self::Minute => "KEZ_COUNT_MINUTE",
            Self::Hour => "KEZ_COUNT_HOUR",
        }
    }

    /// All its counters.
    pub fn counts(self) -> String {
        format!("kez.count.{}.*.*.*", self.name())
    }

    /// The counter of `what` in one window, which is numbered from the Unix epoch on: `kez.count.<span>.<what>.<window>.<key>`. `what` and `key` are one
    /// token each.
    pub fn count(self, what: &str, window: u64, key: &str) -> String {
        format!("kez.count.{}.{what}.{window}.{key}", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_among_its_spans() {
        assert_eq!(Span::Hour.count("sends", 7, "ab"), "kez.count.hour.sends.7.ab");
        for span in Span::ALL {
            let one = span.count("sends", 7, "ab");
            assert!(one.starts_with(span.counts().trim_end_matches(".*")));
            assert_eq!(one.split('.').count(), COUNTS.split('.').count());
        }
    }
}
