/* Tests of the example, as ordinary C: cc -o test test.c -lm && ./test */
#include "../thresher_native.h"
#include "main.c"

static void numbers_are_described(void) {
    th_test t = th_test_of("describe");
    th_test_csv(&t, "data", "a,b,c\n1,x,0.5\n2,y,\n4,z,2.5\n");
    th_test_run(&t, "{}");
    TH_EXPECT(t.result,
        "{\"rows\":3,\"columns\":["
        "{\"name\":\"a\",\"count\":3,\"nulls\":0,\"mean\":2.3333333333333335,\"std\":1.5275252316519468,\"min\":1,\"q25\":1.5,\"median\":2,\"q75\":3,\"max\":4},"
        "{\"name\":\"c\",\"count\":2,\"nulls\":1,\"mean\":1.5,\"std\":1.4142135623730951,\"min\":0.5,\"q25\":1,\"median\":1.5,\"q75\":2,\"max\":2.5}]}");
    TH_EXPECT(t.log, "2 of 3 columns have numbers\n");
    TH_EXPECT(th_test_table(&t, "summary"),
        "name,count,nulls,mean,std,min,q25,median,q75,max\n"
        "a,3,0,2.3333333333333335,1.5275252316519468,1,1.5,2,3,4\n"
        "c,2,1,1.5,1.4142135623730951,0.5,1,1.5,2,2.5\n");
    TH_CHECK(t.progress == 1);
}

static void values_are_counted(void) {
    th_test t = th_test_of("histogram");
    th_test_csv(&t, "data", "x\n0\n1\n\n9\n10\n");
    th_test_run(&t, "{\"column\":\"x\",\"bins\":2}");
    TH_EXPECT(t.result, "{\"edges\":[0,5,10],\"counts\":[2,2]}");
    TH_CHECK(strstr(th_test_artifact(&t, "histogram.vl.json"), "{\"from\":5,\"to\":10,\"count\":2}"));
}

static void a_column_that_is_not_there_is_said(void) {
    th_test t = th_test_of("histogram");
    th_test_csv(&t, "data", "x,s\n0,a\n");
    th_test_run(&t, "{\"column\":\"y\"}");
    TH_EXPECT(t.failure, "the table data has no column \"y\"");
    th_test_run(&t, "{\"column\":\"s\"}");
    TH_EXPECT(t.failure, "column \"s\" is string, want a number");
    th_test_run(&t, "{}");
    TH_EXPECT(t.failure, "params: column is missing");
}

static void an_epidemic_ends(void) {
    th_test t = th_test_of("sir");
    t.seed = 5;
    th_test_run(&t, "{}");
    TH_EXPECT(t.result, "{\"final_size\":0.89,\"over_at_step\":126,\"peak_infected\":246,\"peak_step\":33,\"r0\":2.5,\"steps\":200}");
    TH_CHECK(strstr(th_test_table(&t, "steps"), "step,susceptible,infected,recovered,total_agents\n0,990,10,0,1000\n1,"));
    th_test_run(&t, "{\"population\":5}");
    TH_EXPECT(t.failure, "initial_infected: 10 agents cannot be infected in a population of 5");
}

int main(void) {
    numbers_are_described();
    values_are_counted();
    a_column_that_is_not_there_is_said();
    an_epidemic_ends();
    th_test_examples();
    return th_test_end();
}
