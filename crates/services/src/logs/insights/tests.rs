//! The language by tables: commands over a handful of events.

use super::*;

const REPORT: &str = "REPORT RequestId: 8f5d8e9a-0000-4000-8000-000000000001\tDuration: 12.50 ms\tBilled Duration: 13 ms\t\
                      Memory Size: 128 MB\tMax Memory Used: 40 MB\tInit Duration: 100.25 ms\t\n";
const EVENTS: [(i64, bool, &str); 6] = [
    (60_000, true, "START RequestId: 8f5d8e9a-0000-4000-8000-000000000001 Version: $LATEST\n"),
    (
        61_000,
        false,
        "2026-01-31T12:00:00.000Z\t8f5d8e9a-0000-4000-8000-000000000001\tINFO\tuser=ann, method:get, latency := 7\n",
    ),
    (62_000, false, "{\"level\":\"error\",\"n\":3,\"user\":{\"name\":\"bob\"},\"list\":[1,2],\"ok\":true}\n"),
    (123_000, false, "{\"level\":\"info\",\"n\":10,\"user\":{\"name\":\"ann\"}}\n"),
    (124_000, false, "REPORT RequestId: forged\tDuration: 99999 ms\n"),
    (125_000, true, REPORT),
];

fn rows(text: &str) -> Vec<Vec<(String, String)>> {
    let query = Query::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let mut run = Run::new(query, None);
    for (at_ms, platform, message) in EVENTS {
        let row =
            Row::new((at_ms, at_ms + 1), ("000000000000:/aws/lambda/f", "s"), message, platform, &|| {
                "ptr".to_owned()
            });
        run.add(row).unwrap();
    }
    run.finish().unwrap()
}

/// The rows as `name=value` joined by spaces, without pointers.
fn shown(text: &str) -> Vec<String> {
    let row = |row: Vec<(String, String)>| {
        let columns = row.into_iter().filter(|(name, _)| name != "@ptr");
        columns.map(|(name, value)| format!("{name}={}", value.trim_end())).collect::<Vec<_>>().join(" ")
    };
    rows(text).into_iter().map(row).collect()
}

#[test]
fn queries_give_rows() {
    for (text, expected) in [
        ("fields n | filter ispresent(n)", &["n=10", "n=3"][..]),
        ("fields n | filter n > 3 and level = 'info'", &["n=10"]),
        ("filter level = \"error\" | fields user.name as who, list.1", &["who=bob list.1=2"]),
        ("fields n | filter n in [3, 4] # a comment", &["n=3"]),
        ("fields n | filter not (n = 3) and ispresent(n)", &["n=10"]),
        ("fields level | filter level not like /^err/ and ispresent(level)", &["level=info"]),
        ("fields level | filter @message like 'bob'", &["level=error"]),
        ("fields level | filter @message =~ /b.b/", &["level=error"]),
        ("fields n * 2 + 1 as double, n ^ 2, -n | filter n = 3", &["double=7 n ^ 2=9 -n=-3"]),
        ("fields n / 4 | filter n = 10", &["n / 4=2.5"]),
        ("fields ok | filter ok", &["ok=1"]),
        ("fields n | sort n desc | limit 1", &["n=10"]),
        ("fields n | filter ispresent(n) | sort n asc | limit 1", &["n=3"]),
        ("display level | filter ispresent(level) | sort level desc", &["level=info", "level=error"]),
        ("fields @timestamp | limit 1", &["@timestamp=1970-01-01 00:02:05.000"]),
        ("fields @logStream, @log | limit 1", &["@logStream=s @log=000000000000:/aws/lambda/f"]),
        (
            "filter @type = 'REPORT' | fields @duration, @billedDuration, @initDuration, @maxMemoryUsed / 1000000 as used, @memorySize",
            &["@duration=12.5 @billedDuration=13 @initDuration=100.25 used=40 @memorySize=128000000"],
        ),
        (
            "stats count(*) by @requestId",
            &["count(*)=3", "@requestId=8f5d8e9a-0000-4000-8000-000000000001 count(*)=3"],
        ),
        (
            "stats count() as c, sum(n), avg(n), min(n), max(n) ",
            &["c=6 sum(n)=13 avg(n)=6.5 min(n)=3 max(n)=10"],
        ),
        (
            "stats count(n) as c by bin(1m)",
            &["bin(1m)=1970-01-01 00:01:00.000 c=1", "bin(1m)=1970-01-01 00:02:00.000 c=1"],
        ),
        (
            "stats pct(n, 50) as p, pct(n, 100), count_distinct(user.name) as d, stddev(n)",
            &["p=3 pct(n, 100)=10 d=2 stddev(n)=3.5"],
        ),
        ("stats earliest(n) as e, latest(n) as l, sortsLast(level) as s", &["e=3 l=10 s=info"]),
        (
            "stats sum(n) as total by level | filter ispresent(level) | sort total desc | limit 1",
            &["level=info total=10"],
        ),
        ("stats count(*) as c by level | stats max(c), count(*)", &["max(c)=4 count(*)=3"]),
        ("stats count(*) by level | sort count(*) desc | display level", &["", "level=error", "level=info"]),
        ("filter level = 'none' | stats count(*) as c, avg(n)", &["c=0"]),
        (
            "fields jsonParse(@message) as m | filter ispresent(m) | stats count(*) by m.user.name, m.list[1]",
            &["m.user.name=ann count(*)=1", "m.user.name=bob m.list[1]=2 count(*)=1"],
        ),
        (
            "display jsonStringify(jsonParse(' [1, 2]')) as s, jsonParse('5') as no, jsonStringify(level) | limit 1",
            &["s=[1,2]"],
        ),
        (
            "fields jsonParse('[{\"a-b\":[5,6]}]') as l | display l[0].`a-b`[1] as six, l[0] | limit 1",
            &["six=6 l[0]={\"a-b\":[5,6]}"],
        ),
        (
            "stats max(n) as most, min(n) as least, most - least as between by bin(1h)",
            &["bin(1h)=1970-01-01 00:00:00.000 most=10 least=3 between=7"],
        ),
        (
            "stats count(@type) as all, (count(@initDuration) / count(@type)) * 100 as cold, 100 * 2 by @type | filter all > 0",
            &["@type=REPORT all=1 cold=100 100 * 2=200", "@type=START all=1 cold=0 100 * 2=200"],
        ),
        ("stats sum(n) / count(n), greatest(min(n), 5) as g", &["sum(n) / count(n)=6.5 g=5"]),
        (
            "stats concat(level, '!') as loud, count(*) by level | sort count(*) * -1 | limit 1",
            &["count(*)=4"],
        ),
        ("stats count(*) as max, max + 1 as more", &["max=6 more=7"]),
        (
            "parse @message \"user=*, method:*, latency := *\" as u, m, l | filter ispresent(u) | display u, m, l + 1",
            &["u=ann m=get l + 1=8"],
        ),
        (
            "parse @message /user=(?<who>\\w+), method:(?<how>\\w+)/ | filter ispresent(who) | display who, how",
            &["who=ann how=get"],
        ),
        ("parse /latency := (\\d+)/ as l | stats sum(l)", &["sum(l)=7"]),
        ("fields level | filter ispresent(level) | dedup level", &["level=info", "level=error"]),
        (
            "fields 1 as one | dedup one | display one, @timestamp",
            &["one=1 @timestamp=1970-01-01 00:02:05.000"],
        ),
        (
            "display toupper(level), strlen(level), concat(level, '-', n), substr(level, 1, 2), replace(level, 'r', 'R') | filter n = 3",
            &[
                "toupper(level)=ERROR strlen(level)=5 concat(level, '-', n)=error-3 substr(level, 1, 2)=rr replace(level, 'r', 'R')=eRRoR",
            ],
        ),
        (
            "display coalesce(absent, level) as c, greatest(n, 5), isempty(absent) | filter n = 3",
            &["c=error greatest(n, 5)=5 isempty(absent)=1"],
        ),
        (
            "display isIpInSubnet('10.1.2.3', '10.0.0.0/8') as a, isValidIp('x') as b, datefloor(@timestamp, 1m) as t | limit 1",
            &["a=1 b=0 t=1970-01-01 00:02:00.000"],
        ),
        ("", &[][..]),
    ] {
        if text.is_empty() {
            assert_eq!(shown(text).len(), 6);
        } else {
            assert_eq!(shown(text), expected, "{text}");
        }
    }
}

#[test]
fn what_is_no_query_is_refused_with_its_place() {
    for (text, place) in [
        ("filter", 6),
        ("fields @message |", 17),
        ("| fields a", 0),
        ("nonsense x", 0),
        ("filter a >", 10),
        ("filter a like 5", 14),
        ("filter a = 'open", 11),
        ("stats nothing(a)", 6),
        ("stats a, count(*)", 6),
        ("stats count(*) as c, d - c as e", 21),
        ("stats later + 1, count(*) as later", 6),
        ("stats max(min(a))", 10),
        ("filter count(*) > 1", 7),
        ("stats pct(a, 200)", 16),
        ("stats count(*) by bin(5)", 22),
        ("parse @message 'a * b *' as one", 31),
        ("parse @message /(/", 15),
        ("limit 0", 6),
        ("fields unknown(a)", 7),
        ("fields strlen(a, b)", 7),
        ("limit 5 | stats count(*)", 0),
        ("fields a ~ b", 9),
        ("fields a[b]", 9),
        ("fields a[0]. + 1", 13),
    ] {
        let error = Query::parse(text).err().unwrap_or_else(|| panic!("{text} is taken"));
        assert_eq!(error.span.start, place, "{text}: {error}");
    }
    let deep = format!("filter {}1{}", "(".repeat(100), ")".repeat(100));
    assert!(
        Query::parse(&deep).is_err() && Query::parse(&format!("filter {} 1", "not ".repeat(100))).is_err()
    );
}

#[test]
fn every_field_of_an_event_is_told() {
    let row = Row::new((0, 1), ("0:g", "s"), EVENTS[2].2, false, &String::new);
    let fields = fields_of(&row);
    let found = |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!((found("user.name"), found("list.1"), found("n")), (Some("bob"), Some("2"), Some("3")));
    assert_eq!((found("@logStream"), found("@type")), (Some("s"), None));
}
