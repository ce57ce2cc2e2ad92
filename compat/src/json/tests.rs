//! Tests of reading and writing the dialect.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Queue {
    topic: String,
    broker_name: String,
    queue_id: i32,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bean {
    zeta: i64,
    alpha: Option<String>,
    queue_nums: i32,
    unit_mode: bool,
    tps: f64,
    kind: Kind,
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
enum Kind {
    #[default]
    #[serde(rename = "SINGLE_TAG")]
    Single,
    #[serde(rename = "MULTI_TAG")]
    Multi,
}

impl Default for Bean {
    fn default() -> Bean {
        Bean { zeta: 7, alpha: None, queue_nums: 16, unit_mode: false, tps: 0.0, kind: Kind::Single }
    }
}

fn text(bytes: Result<Vec<u8>, Error>) -> String {
    String::from_utf8(bytes.unwrap()).unwrap()
}

#[test]
fn fields_are_sorted_and_nulls_left_out() {
    assert_eq!(
        text(to_vec(&Bean::default())),
        r#"{"kind":"SINGLE_TAG","queueNums":16,"tps":0.0,"unitMode":false,"zeta":7}"#
    );
    let bean = Bean { alpha: Some("a\"\\/\u{1}\u{7f}ü\u{2028}".into()), tps: f64::NAN, ..Bean::default() };
    assert_eq!(
        text(to_vec(&bean)),
        r#"{"alpha":"a\"\\/\u0001\u007Fü\u2028","kind":"SINGLE_TAG","queueNums":16,"tps":null,"unitMode":false,"zeta":7}"#
    );
}

#[test]
fn keys_that_are_no_texts_stand_bare() {
    let queue = Queue { topic: "T".into(), broker_name: "b".into(), queue_id: 0 };
    let by_queue = BTreeMap::from([(queue, 12_i64)]);
    let expected = r#"{{"brokerName":"b","queueId":0,"topic":"T"}:12}"#;
    assert_eq!(text(to_vec(&by_queue)), expected);
    assert_eq!(from_slice::<BTreeMap<Queue, i64>>(expected.as_bytes()), Ok(by_queue));
    let by_id = BTreeMap::from([(0_i64, Some("a")), (1, None), (2, Some("c"))]);
    assert_eq!(text(to_vec_java(&by_id)), r#"{0:"a",2:"c"}"#);
    assert_eq!(text(to_vec(&by_id)), r#"{"0":"a","2":"c"}"#);
    for read in [r#"{0:"a",2:"c"}"#, r#"{"0":"a","2":"c"}"#] {
        let expected = BTreeMap::from([(0, "a".to_owned()), (2, "c".to_owned())]);
        assert_eq!(from_slice::<BTreeMap<i64, String>>(read.as_bytes()), Ok(expected));
    }
}

/// As `consumerOffset.json` and `topics.json` of a stock broker look.
#[test]
fn files_look_as_java_prints_them() {
    let offsets =
        BTreeMap::from([("offsetTable", BTreeMap::from([("T@g", BTreeMap::from([(0, 5), (1, 7)]))]))]);
    assert_eq!(text(to_pretty_java(&offsets)), "{\n\t\"offsetTable\":{\n\t\t\"T@g\":{0:5,1:7\n\t\t}\n\t}\n}");
    let queue = Queue { topic: "T".into(), broker_name: "b".into(), queue_id: 0 };
    assert_eq!(
        text(to_pretty_java(&queue)),
        "{\n\t\"brokerName\":\"b\",\n\t\"queueId\":0,\n\t\"topic\":\"T\"\n}"
    );
    assert_eq!(text(to_pretty_java(&BTreeMap::<String, i32>::new())), "{}");
}

#[test]
fn numbers_print_as_java_prints_them() {
    let cases = [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (1e7, "1.0E7"),
        (9_999_999.5, "9999999.5"),
        (0.001, "0.001"),
        (1e-5, "1.0E-5"),
        (1.25e-4, "1.25E-4"),
        (123_456_789.125, "1.23456789125E8"),
    ];
    for (number, expected) in cases {
        assert_eq!(java_double(number), expected);
    }
    assert_eq!(java_float(0.1), "0.1");
}

#[test]
fn reading_is_lenient() {
    fn check(text: &str, expected: Bean) {
        assert_eq!(from_slice::<Bean>(text.as_bytes()), Ok(expected), "{text}");
    }
    check("{}", Bean::default());
    check(r#"{"zeta":null,"alpha":null,"x":[1,{"y":2}]}"#, Bean::default());
    check(r#"{zeta:1,'alpha':'it\'s',}"#, Bean { zeta: 1, alpha: Some("it's".into()), ..Bean::default() });
    check(r#"{"ZETA":"1,234","queue_nums":4.9}"#, Bean { zeta: 1234, queue_nums: 4, ..Bean::default() });
    check(
        r#"{"isUnitMode":"Y","kind":1,"tps":"2.5"}"#,
        Bean { unit_mode: true, kind: Kind::Multi, tps: 2.5, ..Bean::default() },
    );
    check("/* c */{\"zeta\":1L,,\"zeta\":2 // d\n}", Bean { zeta: 2, ..Bean::default() });
    check("{\"alpha\":5,\"zeta\":new Date(9)}", Bean { alpha: Some("5".into()), zeta: 9, ..Bean::default() });
    assert_eq!(from_slice::<Option<Bean>>(b"  "), Ok(None));
    assert_eq!(from_slice::<Vec<i32>>(b"Set[1,,2,]"), Ok(vec![1, 2]));
    assert_eq!(from_slice::<String>(br#""\ud834\udd1e\x41\7""#), Ok("𝄞A\u{7}".to_owned()));
}

/// Read by fastjson 1.2.29 into maps and lists with null in them; nothing here could use such an entry.
#[test]
fn nulls_in_maps_and_lists_are_passed_over() {
    let text = br#"{"a":"1","b":null,"c":undefined,"d":2}"#;
    let expected =
        BTreeMap::from([("a", "1"), ("d", "2")].map(|(key, value)| (key.to_owned(), value.to_owned())));
    assert_eq!(from_slice::<BTreeMap<String, String>>(text), Ok(expected));
    assert_eq!(from_slice::<BTreeMap<i32, i64>>(b"{1:null,2:3}"), Ok(BTreeMap::from([(2, 3)])));
    assert_eq!(from_slice::<Vec<String>>(br#"["a",null,1]"#), Ok(vec!["a".to_owned(), "1".to_owned()]));
    // A tuple's places have a meaning each.
    assert_eq!(from_slice::<(Option<i32>, i32)>(b"[null,3]"), Ok((None, 3)));
}

#[test]
fn a_byte_order_mark_and_odd_numbers_pass() {
    assert_eq!(from_slice::<Vec<i32>>("\u{feff}[1]".as_bytes()), Ok(vec![1]));
    assert_eq!(from_slice::<Vec<i32>>(br#"["NULL","null",""]"#), Ok(vec![0, 0, 0]));
    assert_eq!(from_slice::<Vec<bool>>(br#"[1.0,0.0,2.0,"NULL"]"#), Ok(vec![true, false, false, false]));
}

#[test]
fn errors_say_where() {
    fn check(text: &str, expected: &str) {
        assert_eq!(from_slice::<Bean>(text.as_bytes()).unwrap_err().to_string(), expected);
    }
    check("{} x", "JSON is damaged at byte 3: text behind the value");
    check("{\"zeta\":\"x\"}", "zeta: the text `x` is not a whole number");
    check("{\"kind\":\"NONE\"}", "kind: the text `NONE` is not one of SINGLE_TAG, MULTI_TAG");
    check("[]", "an array is not an object");
    check("{\"queueNums\":4294967296}", "queueNums: 4294967296 is not a number of type i32");
}

#[test]
fn no_text_panics() {
    let sound = br#"{"a":[1,-2.5e3,"x\u00fcy",{"b":null}],{"q":1}:Set[true],'c':new Date(1)}"#;
    assert!(parse(sound).is_ok());
    for end in 0..sound.len() {
        let _ = parse(&sound[..end]);
        for byte in [b'"', b'\\', b'{', b']', b'e', 0xff] {
            let mut damaged = sound.to_vec();
            damaged[end] = byte;
            let _ = parse(&damaged);
        }
    }
    assert!(parse(&[b'['; 1_000_000]).is_err());
}
