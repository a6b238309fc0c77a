/* The three routines that each SDK has as its example: describe, histogram and sir.
 * A test holds the four against each other. */
#include "../thresher.h"

/* ---- describe ---- */

static int describe(th_call *c, const void *params) {
    static const char *const names[] = {"mean", "std", "min", "q25", "median", "q75", "max"};
    static const double shares[] = {0, 0.25, 0.5, 0.75, 1};
    (void)params;
    const th_table *data = th_input(c, "data");
    if (!data) return TH_FAILED;
    th_writer *out = th_output(c, "summary", th_text_col("name"), th_int_col("count"), th_int_col("nulls"), th_float_col("mean"),
        th_float_col("std"), th_float_col("min"), th_float_col("q25"), th_float_col("median"), th_float_col("q75"), th_float_col("max"));
    th_json result = {0};
    int found = 0;
    th_json_object(&result);
    th_set_int(&result, "rows", data->rows);
    th_json_key(&result, "columns");
    th_json_array(&result);
    for (size_t i = 0; i < data->count; i++) {
        const th_column *column = &data->columns[i];
        if (strcmp(column->type, "int64") && strcmp(column->type, "float64")) continue;
        th_vector v;
        double numbers[7];
        if (th_vector_of(data, column->name, &v)) return TH_FAILED;
        int64_t n = th_variance(&v, 1, &numbers[0], &numbers[1]);
        numbers[1] = sqrt(numbers[1]);
        th_quantiles(&v, 5, shares, &numbers[2]);
        th_json_object(&result);
        th_set_text(&result, "name", column->name);
        th_set_int(&result, "count", n);
        th_set_int(&result, "nulls", data->rows - n);
        th_add_text(out, column->name);
        th_add_int(out, n);
        th_add_int(out, data->rows - n);
        for (int k = 0; k < 7; k++) {
            th_set_float(&result, names[k], numbers[k]);
            if (isnan(numbers[k])) th_add_null(out);
            else th_add_float(out, numbers[k]);
        }
        th_json_end(&result);
        if (th_end_row(out)) return TH_FAILED;
        th_progress(c, (double)(i + 1) / (double)data->count, "%s", column->name);
        found++;
    }
    th_json_end(&result);
    th_json_end(&result);
    th_log(c, "%d of %d columns have numbers", found, (int)data->count);
    th_result(c, &result);
    return TH_OK;
}

/* ---- histogram ---- */

#define HISTOGRAM(P) \
    P(TEXT, column, .title = "Column", .doc = "A column of numbers.") \
    P(INTEGER, bins, .standard = "10", .minimum = "1", .maximum = "1000", .unit = "bins", .title = "Bins")
THRESHER_PARAMS(histogram_params, HISTOGRAM)

/* Draws the bins as Vega-Lite, keys in the order of the alphabet as Go writes them. */
static void draw(th_call *c, const histogram_params *p, const double *edges, const int64_t *counts) {
    th_json j = {0};
    th_json_object(&j);
    th_set_text(&j, "$schema", "https://vega.github.io/schema/vega-lite/v6.json");
    th_json_key(&j, "data");
    th_json_object(&j);
    th_json_key(&j, "values");
    th_json_array(&j);
    for (int64_t i = 0; i < p->bins; i++) {
        th_json_object(&j);
        th_set_float(&j, "from", edges[i]);
        th_set_float(&j, "to", edges[i + 1]);
        th_set_int(&j, "count", counts[i]);
        th_json_end(&j);
    }
    th_json_end(&j);
    th_json_end(&j);
    th_json_key(&j, "encoding");
    th_json_object(&j);
    th_json_key(&j, "x");
    th_json_object(&j);
    th_set_raw(&j, "bin", "{\"binned\":true}");
    th_set_text(&j, "field", "from");
    th_set_text(&j, "title", p->column);
    th_set_text(&j, "type", "quantitative");
    th_json_end(&j);
    th_set_raw(&j, "x2", "{\"field\":\"to\"}");
    th_set_raw(&j, "y", "{\"field\":\"count\",\"title\":\"rows\",\"type\":\"quantitative\"}");
    th_json_end(&j);
    th_set_int(&j, "height", 260);
    th_set_raw(&j, "mark", "{\"tooltip\":true,\"type\":\"bar\"}");
    th_set_text(&j, "title", p->column);
    th_set_text(&j, "width", "container");
    th_json_end(&j);
    th_chart(c, "histogram", &j);
}

static int histogram(th_call *c, const void *params) {
    const histogram_params *p = params;
    const th_table *data = th_input(c, "data");
    th_vector v;
    if (!data || th_vector_of(data, p->column, &v)) return TH_FAILED;
    th_json result = {0};
    double limits[2];
    if (th_quantiles(&v, 2, (const double[]){0, 1}, limits) == 0) {
        th_json_raw(&result, "{\"edges\":[],\"counts\":[]}");
        th_result(c, &result);
        return TH_OK;
    }
    double low = limits[0], high = limits[1];
    if (!isfinite(low) || !isfinite(high)) return th_fail(c, "column \"%s\" has values that are not finite", p->column);
    if (low == high) { /* a bin needs a width */
        double around = fmax(fabs(low) / 1048576, 0.5);
        low -= around, high += around;
    }
    double *edges = th_alloc((size_t)(p->bins + 1) * sizeof *edges);
    int64_t *counts = th_alloc((size_t)p->bins * sizeof *counts);
    th_histogram(&v, low, high, (int)p->bins, counts);
    th_json_object(&result);
    th_json_key(&result, "edges");
    th_json_array(&result);
    for (int64_t i = 0; i <= p->bins; i++) {
        double share = (double)i / (double)p->bins;
        edges[i] = low * (1 - share) + high * share;
        th_json_float(&result, edges[i]);
    }
    th_json_end(&result);
    th_json_key(&result, "counts");
    th_json_array(&result);
    for (int64_t i = 0; i < p->bins; i++) th_json_int(&result, counts[i]);
    th_json_end(&result);
    th_json_end(&result);
    draw(c, p, edges, counts);
    th_result(c, &result);
    return TH_OK;
}

/* ---- sir ---- */

#define SIR(P) \
    P(INTEGER, population, .standard = "1000", .minimum = "1", .maximum = "10000000", .unit = "agents", .title = "Population") \
    P(NUMBER, infection_rate, .standard = "0.05", .minimum = "0", .maximum = "1", .unit = "per contact", .title = "Infection rate", \
        .doc = "Probability that a contact of an infected with a susceptible agent infects it.") \
    P(NUMBER, recovery_rate, .standard = "0.1", .minimum = "0", .maximum = "1", .unit = "per step", .title = "Recovery rate", \
        .doc = "Probability that an infected agent recovers in a step.") \
    P(INTEGER, contacts, .standard = "5", .minimum = "0", .maximum = "1000", .unit = "per agent and step", .title = "Contacts", \
        .doc = "How many others each infected agent meets in a step.") \
    P(INTEGER, initial_infected, .standard = "10", .minimum = "0", .maximum = "10000000", .unit = "agents", .title = "Infected at the start", \
        .doc = "At most the population.") \
    P(INTEGER, steps, .standard = "200", .minimum = "1", .maximum = "1000000", .unit = "steps", .title = "Steps", .doc = "The run ends after these.")
THRESHER_PARAMS(sir_params, SIR)

typedef struct {
    const sir_params *params;
    th_random random;
    th_writer *out;
    int64_t susceptible, infected, recovered;
    int64_t step, peak, peak_step, over; /* over: -1 before it is */
} epidemic;

static int record(epidemic *e) {
    if (e->infected > e->peak) e->peak = e->infected, e->peak_step = e->step;
    if (e->infected == 0 && e->over < 0) e->over = e->step;
    th_add_int(e->out, e->step);
    th_add_int(e->out, e->susceptible);
    th_add_int(e->out, e->infected);
    th_add_int(e->out, e->recovered);
    th_add_int(e->out, e->params->population);
    return th_end_row(e->out);
}

static int sir_start(th_call *c, const void *params, void *state) {
    const sir_params *p = params;
    epidemic *e = state;
    if (p->initial_infected > p->population)
        return th_fail(c, "initial_infected: %lld agents cannot be infected in a population of %lld",
            (long long)p->initial_infected, (long long)p->population);
    *e = (epidemic){.params = p, .random = th_random_of(c), .over = -1,
        .susceptible = p->population - p->initial_infected, .infected = p->initial_infected};
    e->out = th_output(c, "steps", th_int_col("step"), th_int_col("susceptible"), th_int_col("infected"),
        th_int_col("recovered"), th_int_col("total_agents"));
    return record(e);
}

static int sir_step(th_call *c, void *state) {
    epidemic *e = state;
    int64_t infections = 0, recoveries = 0;
    for (int64_t i = 0; i < e->infected; i++) {
        for (int64_t k = 0; k < e->params->contacts; k++) {
            /* The one it meets is any agent; those already infected in this step are
             * no longer susceptible. */
            uint64_t met = th_random_below(&e->random, (uint64_t)e->params->population);
            if ((int64_t)met < e->susceptible - infections && th_random_float(&e->random) < e->params->infection_rate) infections++;
        }
        if (th_random_float(&e->random) < e->params->recovery_rate) recoveries++;
    }
    e->susceptible -= infections;
    e->infected += infections - recoveries;
    e->recovered += recoveries;
    e->step++;
    th_progress(c, (double)e->step / (double)e->params->steps, "step %lld: %lld infected", (long long)e->step, (long long)e->infected);
    if (record(e)) return TH_FAILED;
    return e->step >= e->params->steps ? TH_DONE : TH_OK;
}

static int sir_result(th_call *c, void *state) {
    const epidemic *e = state;
    const sir_params *p = e->params;
    th_json j = {0};
    th_json_object(&j);
    th_set_float(&j, "final_size", (double)(e->infected + e->recovered) / (double)p->population);
    if (e->over >= 0) th_set_int(&j, "over_at_step", e->over);
    else th_set_raw(&j, "over_at_step", "null");
    th_set_int(&j, "peak_infected", e->peak);
    th_set_int(&j, "peak_step", e->peak_step);
    th_set_float(&j, "r0", p->recovery_rate > 0 ? (double)p->contacts * p->infection_rate / p->recovery_rate : NAN); /* NAN: null */
    th_set_int(&j, "steps", e->step);
    th_json_end(&j);
    th_result(c, &j);
    return TH_OK;
}

/* ---- the plugin ---- */

static const th_routine routines[] = {
    {
        .name = "describe", .title = "Describe the numbers of a table",
        .summary = "Count, nulls, mean, standard deviation and quartiles of each column of numbers.",
        .run = describe,
        .inputs = {{.name = "data", .title = "Any table"}},
        .outputs = {{"summary", "A row for each column of numbers"}},
    },
    {
        .name = "histogram", .title = "Histogram of a column",
        .summary = "Counts the values of a column of numbers in bins of equal width, and draws them.",
        .run = histogram, TH_PARAMS(histogram_params),
        .inputs = {{.name = "data", .title = "Any table"}},
        .examples = {{
            .name = "two-bins", .params = "{\"column\": \"x\", \"bins\": 2}", .inputs = {{"data", "x,y\n0,a\n1,b\n,c\n9,d\n10,e\n"}},
            .result = "{\"edges\": [0, 5, 10], \"counts\": [2, 2]}",
        }},
    },
    {
        .name = "sir", .title = "SIR epidemic",
        .summary = "Well-mixed agents that are susceptible, infected or recovered (Kermack and McKendrick, 1927).",
        .start = sir_start, .step = sir_step, .result = sir_result, .state_size = sizeof(epidemic), TH_PARAMS(sir_params),
        .outputs = {{"steps", "Agents in each state, a row a step"}},
    },
};

THRESHER_PLUGIN(routines, .name = "trio-c", .version = "0.1.0", .summary = "Two analyses and a simulation", .license = "Apache-2.0")
