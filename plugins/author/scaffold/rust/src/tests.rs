use super::*;
use thresher::test::{examples, Job};

#[test]
fn the_column_is_summed_up() {
    let run = Job::new("summary").csv("data", "name,height\nAda,2\nBo,\nCy,4\n").params(r#"{"column": "height"}"#).run(plugin());
    assert_eq!(run.error, None);
    assert_eq!(run.result, r#"{"rows":2,"mean":3}"#);
    assert_eq!(run.log, "2 rows of 3 have a value\n");
}

#[test]
fn text_is_refused() {
    let run = Job::new("summary").csv("data", "name,height\nAda,2\n").params(r#"{"column": "name"}"#).run(plugin());
    assert_eq!(run.error.unwrap(), r#"column "name" is string, want a number"#);
}

#[test]
fn the_examples_give_what_they_say() {
    examples(plugin);
}
