//! The JVM in this process, and its one door: `interop.Oracle.call`.

use std::sync::OnceLock;

use interop_tests::java;
use jni::objects::{JByteArray, JValue};
use jni::{InitArgsBuilder, JNIEnv, JNIVersion, JavaVM};

use crate::items::{Reader, Writer};

/// What Java answers to one item: bytes, or the text of an exception.
pub type Answer = Result<Vec<u8>, String>;

fn jvm() -> &'static JavaVM {
    static JVM: OnceLock<JavaVM> = OnceLock::new();
    JVM.get_or_init(|| {
        let class_path = format!("-Djava.class.path={}", java::class_path());
        let mut arguments =
            InitArgsBuilder::new().version(JNIVersion::V8).option(class_path).option("-Xmx512m");
        for option in java::JVM_OPTIONS {
            arguments = arguments.option(option);
        }
        let arguments = arguments.build().expect("options are plain text");
        JavaVM::new(arguments).unwrap_or_else(|error| {
            panic!("no JVM in this process ({error}): sudo apt-get install -y openjdk-17-jdk-headless")
        })
    })
}

/// Runs one operation over all items, in one crossing.
pub fn ask(operation: &str, items: &[Vec<u8>]) -> Vec<Answer> {
    let batch = items.iter().fold(Writer::new(), |it, item| it.bytes(Some(item))).done();
    let mut env = jvm().attach_current_thread().expect("the JVM takes threads");
    let answer = match call(&mut env, operation, &batch) {
        Ok(answer) => answer,
        Err(error) => {
            let _ = env.exception_describe();
            panic!("{operation}: {error}");
        }
    };
    let mut rest = Reader(&answer);
    let mut answers = Vec::with_capacity(items.len());
    while !rest.0.is_empty() {
        let failed = rest.u8() != 0;
        let bytes = rest.bytes().expect("never null").to_vec();
        answers.push(if failed { Err(String::from_utf8_lossy(&bytes).into_owned()) } else { Ok(bytes) });
    }
    assert_eq!(answers.len(), items.len(), "{operation}: one answer to each item");
    answers
}

fn call(env: &mut JNIEnv<'_>, operation: &str, batch: &[u8]) -> jni::errors::Result<Vec<u8>> {
    let name = env.new_string(operation)?;
    let bytes = env.byte_array_from_slice(batch)?;
    let arguments = [JValue::Object(&name), JValue::Object(&bytes)];
    let signature = "(Ljava/lang/String;[B)[B";
    let answer = env.call_static_method("interop/Oracle", "call", signature, &arguments)?.l()?;
    env.convert_byte_array(JByteArray::from(answer))
}

/// As [`ask`], where none may fail.
pub fn tell(operation: &str, items: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let answers = ask(operation, items);
    let good = |(index, answer): (usize, Answer)| {
        answer.unwrap_or_else(|error| panic!("{operation}: Java refuses {:?}: {error}", Shown(&items[index])))
    };
    answers.into_iter().enumerate().map(good).collect()
}

/// Bytes for a message of a failing test.
pub struct Shown<'a>(pub &'a [u8]);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}
