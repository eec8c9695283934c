//! Whether a key that is put is there already, as a guess: the look for it, on another thread, costs a small put a good part
//! of its time, and most keys are new. The commit of a put that guessed expects no record, so that a wrong guess changes
//! nothing; the put looks then.

use std::sync::atomic::{AtomicBool, Ordering};

/// Buckets that share a guess are few with so many, and no worse off than one in which both happens.
const BUCKETS: u64 = 64;

/// What the last look or commit of each bucket said.
pub(crate) struct Guesses(Vec<AtomicBool>);

impl Guesses {
    pub(crate) fn new() -> Self {
        Self((0..BUCKETS).map(|_| AtomicBool::new(true)).collect())
    }

    /// Whether the next key is likely to be new: as the last was.
    pub(crate) fn is_new(&self, bucket: &str) -> bool {
        self.of(bucket).load(Ordering::Relaxed)
    }

    pub(crate) fn learn(&self, bucket: &str, was_new: bool) {
        self.of(bucket).store(was_new, Ordering::Relaxed);
    }

    fn of(&self, bucket: &str) -> &AtomicBool {
        let place = crate::engine::hash_of(bucket) % BUCKETS;
        &self.0[usize::try_from(place).expect("below the number of guesses")]
    }
}

#[cfg(test)]
mod tests {
    use crate::lifecycle::tests::World;
    use crate::records::{Object, Versioning};
    use crate::versions::Change;

    async fn put(mut change: Change<'_>, object: &Object) -> bool {
        change.install(object).await.unwrap();
        change.commit_guess(Vec::new(), Vec::new()).await.unwrap()
    }

    #[tokio::test]
    async fn a_wrong_guess_changes_nothing_and_the_next_put_looks() {
        let world = World::new(Versioning::Off, "").await;
        let engine = &world.engine;
        let change = async |key: &'static str| {
            // Nothing is remembered of any key.
            let turn = engine.turn("b", key).await;
            engine.recent.changing(turn.lock).end();
            drop(turn);
            engine.change_by_guess("b", key).await.unwrap()
        };
        let first = change("k").await;
        assert!(first.is_guess);
        let object = world.object(&first);
        assert!(put(first, &object).await);

        let second = change("k").await;
        assert!(second.is_guess, "the last one was right");
        let other = Object { size: 1, ..object.clone() };
        assert!(!put(second, &other).await);
        assert_eq!(engine.current("b", "k").await.unwrap(), Some(object.clone()));

        let third = change("k").await;
        assert_eq!((third.is_guess, third.current.as_ref()), (false, Some(&object)));
        assert!(put(third, &other).await);
        assert_eq!(engine.current("b", "k").await.unwrap(), Some(other));

        let fourth = change("new").await;
        assert_eq!((fourth.is_guess, fourth.current.as_ref()), (false, None));
        drop(fourth);
        assert!(change("newer").await.is_guess, "the last that was looked for was not there");
    }

    #[tokio::test]
    async fn nothing_is_guessed_where_versions_stay() {
        for versioning in [Versioning::Enabled, Versioning::Suspended] {
            let world = World::new(versioning, "").await;
            assert!(!world.engine.change_by_guess("b", "k").await.unwrap().is_guess);
        }
    }
}
