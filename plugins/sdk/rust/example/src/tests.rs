use super::*;
use thresher::test::{examples, Job};

#[test]
fn numbers_are_described() {
    let run = Job::new("describe").csv("data", "a,b,c\n1,x,0.5\n2,y,\n4,z,2.5\n").run(plugin());
    assert_eq!(run.error, None);
    assert_eq!(run.log, "2 of 3 columns have numbers\n");
    assert_eq!(
        run.tables["summary"],
        "name,count,nulls,mean,std,min,q25,median,q75,max\n\
         a,3,0,2.3333333333333335,1.5275252316519468,1,1.5,2,3,4\n\
         c,2,1,1.5,1.4142135623730951,0.5,1,1.5,2,2.5\n"
    );
    assert_eq!(run.progress.last(), Some(&1.0));
}

#[test]
fn values_are_counted() {
    let run = Job::new("histogram").csv("data", "x\n0\n1\n\n9\n10\n").params(r#"{"column":"x","bins":2}"#).run(plugin());
    assert_eq!(run.result, r#"{"edges":[0,5,10],"counts":[2,2]}"#);
    let chart = String::from_utf8(run.artifacts["histogram.vl.json"].clone()).unwrap();
    assert!(chart.contains(r#"{"from":5,"to":10,"count":2}"#), "{}", chart);
}

#[test]
fn a_column_that_is_not_there_is_said() {
    let fails = |params: &str| Job::new("histogram").csv("data", "x,s\n0,a\n").params(params).run(plugin()).error.unwrap();
    assert_eq!(fails(r#"{"column": "y"}"#), r#"the table data has no column "y""#);
    assert_eq!(fails(r#"{"column": "s"}"#), r#"column "s" is string, want a number"#);
    assert_eq!(fails("{}"), "params: column is missing");
}

#[test]
fn an_epidemic_ends() {
    let run = Job::new("sir").seed(5).run(plugin());
    assert_eq!(run.result, r#"{"final_size":0.89,"over_at_step":126,"peak_infected":246,"peak_step":33,"r0":2.5,"steps":200}"#);
    assert!(run.tables["steps"].starts_with("step,susceptible,infected,recovered,total_agents\n0,990,10,0,1000\n"));
}

#[test]
fn the_examples_give_what_they_say() {
    examples(plugin);
}
