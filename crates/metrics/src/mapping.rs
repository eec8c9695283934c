//! The counts of event source mappings.

use std::sync::Arc;

use lambent_model::{EventCount, MappingMetrics, Scope};

use crate::exposition::{Kind, Text};
use crate::histogram::Counter;

/// One mapping.
#[derive(Debug)]
pub(crate) struct Mapping {
    scope: Scope,
    id: String,
    counts: [Counter; EventCount::ALL.len()],
}

impl Mapping {
    pub(crate) fn new(scope: Scope, id: String) -> Self {
        Self { scope, id, counts: Default::default() }
    }

    fn get(&self, count: EventCount) -> u64 {
        self.counts[count as usize].get()
    }
}

impl MappingMetrics for Mapping {
    fn count(&self, count: EventCount, by: u64) {
        self.counts[count as usize].add(by);
    }
}

const fn name_of(count: EventCount) -> (&'static str, &'static str) {
    match count {
        EventCount::Polled => ("polled_events", "Events that were fetched."),
        EventCount::FilteredOut => ("filtered_out_events", "Events that the filters did not let through."),
        EventCount::Invoked => ("invoked_events", "Events that functions were invoked with."),
        EventCount::FailedInvoke => {
            ("failed_invoke_events", "Events that functions failed with or were refused.")
        }
        EventCount::Deleted => ("deleted_events", "Events that were deleted after their function had them."),
        EventCount::BackOffs => {
            ("back_offs", "Times that a source was left alone because something was wrong.")
        }
    }
}

/// Writes what there is; a count that no mapping has is no line.
pub(crate) fn write(mappings: &[Arc<Mapping>], text: &mut Text) {
    for count in EventCount::ALL {
        let mut there = mappings.iter().filter(|mapping| mapping.get(count) > 0).peekable();
        if there.peek().is_some() {
            let (name, help) = name_of(count);
            text.metric(&format!("lambent_event_source_mapping_{name}_total"), Kind::Counter, help);
            for mapping in there {
                let (account, region) = (mapping.scope.account.to_string(), mapping.scope.region.to_string());
                let labels = [("account", &*account), ("region", &region), ("mapping", &mapping.id)];
                text.value(&labels, mapping.get(count));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_a_line() {
        assert!(EventCount::ALL.iter().enumerate().all(|(place, count)| *count as usize == place));
        let scope = Scope { account: "000000000000".parse().unwrap(), region: "us-east-1".parse().unwrap() };
        let mapping = Arc::new(Mapping::new(scope, "id".into()));
        mapping.count(EventCount::Polled, 3);
        let mut text = Text::default();
        write(&[mapping], &mut text);
        let page = text.finish();
        let labels = r#"{account="000000000000",region="us-east-1",mapping="id"}"#;
        assert!(
            page.contains(&format!("lambent_event_source_mapping_polled_events_total{labels} 3\n")),
            "{page}"
        );
        assert!(!page.contains("deleted"), "{page}");
    }
}
