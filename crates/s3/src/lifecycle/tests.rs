//! The keeper over a store, with a clock of its own: nobody waits for a day.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

use lambent_model::{AwsAllowedFuture, AwsCall, AwsCallFuture, AwsRequest, Clock, Entropy, Timestamp};
use lambent_store::Store;

use super::rules::SECONDS_OF_DAY;
use crate::engine::{Engine, put};
use crate::files::Files;
use crate::records::{self, Bucket, Headers, Object, Upload, Versioning};
use crate::versions::Change;

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed) * 1000)
    }
}

struct Counting(AtomicU64);

impl Entropy for Counting {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
        bytes[..8].copy_from_slice(&self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    }
}

struct Nobody;

impl AwsCall for Nobody {
    fn not_reachable(&self, _: &str) -> Option<String> {
        None
    }

    fn allowed(&self, _: &lambent_model::AwsCaller, _: &str, _: &str) -> AwsAllowedFuture {
        unreachable!("nothing is configured by a request here")
    }

    fn call(&self, _: AwsRequest) -> AwsCallFuture {
        unreachable!("the outbox calls, and there is none here")
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    clock: Arc<Hands>,
    _dir: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new(versioning: Versioning, rules: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let files = Files::open(&dir.path().join("s3"), Arc::new(Counting(AtomicU64::new(0)))).unwrap();
        // Noon of the first day.
        let clock = Arc::new(Hands(AtomicI64::new(SECONDS_OF_DAY / 2)));
        let engine = Engine::new(store, files, Arc::clone(&clock) as _, Arc::new(Nobody));
        let told = "<QueueConfiguration><Id>q</Id><Queue>arn:aws:sqs:us-east-1:000000000000:q</Queue>\
                    <Event>s3:LifecycleExpiration:*</Event></QueueConfiguration>";
        let configurations = [("lifecycle", rules), ("notification", told)];
        let whole = |text: &str| format!("<Configuration>{text}</Configuration>");
        let (account, region) =
            (lambent_model::AccountId::default_account(), lambent_model::Region::default_region());
        let configurations = configurations.map(|(name, text)| (name.to_owned(), whole(text))).into();
        let new = Bucket::new("b".into(), account, region, clock.now());
        let bucket = Bucket { versioning, configurations, ..new };
        engine.keep(bucket);
        Self { engine, clock, _dir: dir }
    }

    fn day(&self, day: i64) {
        self.clock.0.store(day * SECONDS_OF_DAY + SECONDS_OF_DAY / 2, Ordering::Relaxed);
    }

    /// An empty object for the key that is changed.
    pub(crate) fn object(&self, change: &Change<'_>) -> Object {
        let (sequence, version) = change.next();
        Object::empty(sequence, version, self.clock.now())
    }

    async fn put(&self, key: &str) {
        let mut change = self.engine.change("b", key).await.unwrap();
        let object = self.object(&change);
        change.install(&object).await.unwrap();
        change.commit(Vec::new(), Vec::new()).await.unwrap();
    }

    async fn delete(&self, key: &str) {
        let mut change = self.engine.change("b", key).await.unwrap();
        change.delete(None).await.unwrap();
        change.commit(Vec::new(), Vec::new()).await.unwrap();
    }

    /// One pass; how many events were told.
    async fn pass(&self) -> u64 {
        let before = self.told().await;
        assert!(self.engine.end_what_is_over(&AtomicBool::new(false)).await);
        self.told().await - before
    }

    async fn told(&self) -> u64 {
        self.engine.store.extent("delivery/arn:aws:sqs:us-east-1:000000000000:q").await.unwrap().count
    }

    /// Keys that have a current version, and versions that are not current.
    async fn there(&self) -> (Vec<String>, usize) {
        let objects = self.engine.store.list(&records::objects("b"), None, 99).await.unwrap();
        let present = objects.iter().filter(|record| !record.decode::<Object>().unwrap().is_marker);
        let keys = present.map(|record| records::name_of(&record.key).to_owned()).collect();
        (keys, self.engine.store.list(&records::versions("b"), None, 9999).await.unwrap().len())
    }
}

fn rule(inside: &str) -> String {
    format!("<Rule><ID>r</ID><Status>Enabled</Status>{inside}</Rule>")
}

#[tokio::test]
async fn what_is_over_goes_and_is_told_once() {
    let days = "<Filter><Prefix>a/</Prefix></Filter><Expiration><Days>2</Days></Expiration>";
    let world = World::new(Versioning::Off, &rule(days)).await;
    // More than a page, with others on both sides.
    for number in 0..520 {
        world.put(&format!("a/{number:03}")).await;
    }
    world.put("a").await;
    world.put("b").await;
    world.day(1);
    world.put("a/late").await;
    assert_eq!(world.pass().await, 0);
    world.day(3);
    assert_eq!(world.pass().await, 520);
    assert_eq!(world.there().await.0, ["a", "a/late", "b"]);
    assert_eq!(world.pass().await, 0);
    // Replaced, it begins anew.
    world.put("a/late").await;
    world.day(4);
    assert_eq!(world.pass().await, 0);
}

#[tokio::test]
async fn versions_are_hidden_then_ended_then_their_marker_goes() {
    let expires = rule("<Filter/><Expiration><Days>1</Days></Expiration>");
    let ends = "<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays>\
                <NewerNoncurrentVersions>1</NewerNoncurrentVersions></NoncurrentVersionExpiration>";
    let ends = rule(&format!("<Filter/>{ends}")).replace(">r<", ">n<");
    let world = World::new(Versioning::Enabled, &(expires.clone() + &ends)).await;
    for _ in 0..3 {
        world.put("k").await;
    }
    world.delete("hidden").await;
    world.day(2);
    // The oldest goes, the newest of the two that are not current stays; "k" is hidden; the marker that hides nothing
    // goes.
    assert_eq!(world.pass().await, 3);
    assert_eq!(world.there().await, (vec![], 2));
    world.day(9);
    assert_eq!(world.pass().await, 1, "of two, one is the newest");
    assert_eq!(world.there().await, (vec![], 1), "a marker over a version stays");
    // Without the bound everything goes, the marker last, in one pass.
    let ends = ends.replace("<NewerNoncurrentVersions>1</NewerNoncurrentVersions>", "");
    let mut bucket = Bucket::clone(&world.engine.bucket("b").unwrap());
    bucket
        .configurations
        .insert("lifecycle".into(), format!("<Configuration>{expires}{ends}</Configuration>"));
    world.engine.keep(bucket);
    assert_eq!(world.pass().await, 2);
    assert!(world.engine.store.list(&records::objects("b"), None, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn uploads_that_nobody_ends_are_given_up() {
    let abort = "<Filter/><AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation>\
                 </AbortIncompleteMultipartUpload>";
    let world = World::new(Versioning::Off, &rule(abort)).await;
    let begun = |id: &str| Upload {
        key: "k".into(),
        id: id.into(),
        initiated: world.clock.now(),
        algorithm: None,
        composite: false,
        headers: Headers::default(),
        tags: Vec::new(),
    };
    let commit = async |upload: Upload| {
        let key = records::upload_key("b", &upload.key, &upload.id);
        world.engine.commit(vec![put(key, &upload).unwrap()]).await.unwrap();
    };
    commit(begun("aa")).await;
    world.day(2);
    commit(begun("bb")).await;
    assert_eq!(world.pass().await, 0, "S3 has no event for that");
    let left = world.engine.store.list(&records::uploads("b"), None, 9).await.unwrap();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].decode::<Upload>().unwrap().id, "bb");
}

#[tokio::test]
async fn the_keeper_hears_of_configurations_and_ends() {
    let date = "<Filter/><Expiration><Date>1970-01-01T00:00:00Z</Date></Expiration>";
    let world = World::new(Versioning::Off, &rule(date).replace("Enabled", "Disabled")).await;
    world.put("k").await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let keeping = world.engine.keep_lifecycles(async { drop(stopped.await) });
    let using = async {
        let mut bucket = Bucket::clone(&world.engine.bucket("b").unwrap());
        let enabled = format!("<Configuration>{}</Configuration>", rule(date));
        bucket.configurations.insert("lifecycle".into(), enabled);
        world.engine.keep(bucket);
        world.engine.lifecycles_changed.notify_one();
        while !world.there().await.0.is_empty() {
            tokio::task::yield_now().await;
        }
        stop.send(()).unwrap();
    };
    tokio::join!(keeping, using);
}
