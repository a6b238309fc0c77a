// describe and population as DuckDB does them, on a CSV: see rows.go.
const { createRequire } = require('node:module')

let duckdb
try {
  duckdb = createRequire(`${process.env.PEER_HOME}/`)('@duckdb/node-api')
} catch {
  process.exit(3)
}

const plain = (v) => typeof v === 'bigint' ? Number(v) : v?.items ? v.items.map(plain) : v

let connection
async function ask(sql) {
  const reader = await connection.runAndReadAll(sql)
  return reader.getRowObjects().map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, plain(v)])))
}

async function describe() {
  const numbers = ['temperature', 'price', 'items', 'visitor']
  const of = (c) => `count(${c}), count(*) - count(${c}), count(DISTINCT ${c})`
  const [row] = await ask(`SELECT count(*) AS rows,
    [${of('city')}] AS city, ${numbers.map((c) => `[${of(c)}] AS ${c}, [avg(${c}), stddev_samp(${c}), min(${c}), max(${c})] AS ${c}_spread,
    quantile_cont(${c}::DOUBLE, [0.25, 0.5, 0.75]) AS ${c}_quartiles`)} FROM t`)
  const top = await ask('SELECT city AS value, count(*) AS count FROM t WHERE city IS NOT NULL GROUP BY city ORDER BY count DESC, value LIMIT 5')
  const column = (name) => { const [count, nulls, distinct] = row[name]; return { name, count, nulls, distinct } }
  return {
    rows: row.rows,
    columns: [{ ...column('city'), top }, ...numbers.map((name) => {
      const [mean, std, min, max] = row[`${name}_spread`]
      const [q25, median, q75] = row[`${name}_quartiles`]
      return { ...column(name), mean, std, min, max, q25, median, q75 }
    })],
  }
}

const types = ['system_agents', 'independent_agents', 'control_agents']
const sum = (of) => types.map(of).join(' + ')

const summary = (c) => `{mean: avg(${c}), std: stddev_pop(${c}), min: min(${c}), max: max(${c}),
  q25: quantile_cont(${c}::DOUBLE, 0.25), median: quantile_cont(${c}::DOUBLE, 0.5), q75: quantile_cont(${c}::DOUBLE, 0.75)}`

async function population() {
  const [s] = await ask(`SELECT ${['total_agents', ...types].map((c) => `${summary(c)} AS ${c}`)},
    arg_max(i, total_agents) AS peak_step, max(total_agents) AS peak_value, arg_max(total_agents, i) AS final_value,
    regr_slope(total_agents, i) AS trend, avg((total_agents > 0)::INT) AS survival_rate,
    sum(births)::DOUBLE AS births, sum(deaths)::DOUBLE AS deaths, count(*) AS n,
    ${types.map((c) => `1 / (1 + stddev_samp(${c}) / avg(${c})) AS stability_${c}`)} FROM t`)
  await connection.run(`CREATE OR REPLACE TEMP TABLE g AS
    SELECT i, step, cv, diff, coalesce(abs(diff / before), 0) AS relative, rate,
      avg(rate) OVER (ORDER BY i ROWS 19 PRECEDING) AS smoothed FROM (
    SELECT i, step, coalesce(stddev_samp(total_agents) OVER w / avg(total_agents) OVER w, 0) AS cv,
      lag(total_agents) OVER (ORDER BY i) AS before, coalesce(total_agents - before, 0) AS diff,
      coalesce((total_agents / before - 1) * 100, 0) AS rate FROM t WINDOW w AS (ORDER BY i ROWS 49 PRECEDING))`)
  const [g] = await ask(`SELECT avg(cv) FILTER (i >= 49) AS mean_cv, stddev_samp(diff) AS volatility, max(abs(diff))::DOUBLE AS max_fluctuation,
    avg(relative) AS mean_relative_change, max(relative) AS max_relative_change,
    avg(rate) AS average_growth_rate, stddev_samp(rate) AS growth_rate_std, max(rate) AS max_growth_rate, min(rate) AS min_growth_rate,
    (arg_max(rate, i) - arg_min(rate, i)) / count(*) AS average_acceleration,
    count(*) FILTER (smoothed > 1) AS time_in_growth, count(*) FILTER (smoothed < -1) AS time_in_decline,
    count(*) FILTER (smoothed BETWEEN -1 AND 1) AS time_stable FROM g`)
  const growth_phases = await ask(`WITH k AS (SELECT i, step, CASE WHEN smoothed > 1 THEN 'growth' WHEN smoothed < -1 THEN 'decline' ELSE 'stable' END AS phase FROM g),
    starts AS (SELECT *, lag(phase) OVER (ORDER BY i) AS before FROM k QUALIFY before IS DISTINCT FROM phase)
    SELECT phase, step AS start_step, coalesce(lead(step) OVER (ORDER BY i), ${s.n - 1}) AS end_step,
      coalesce(lead(i) OVER (ORDER BY i), ${s.n}) - i AS duration FROM starts ORDER BY i`)
  const [fit] = await ask(`SELECT regr_slope(ln(total_agents + 1), step) AS rate, exp(regr_intercept(ln(total_agents + 1), step)) AS initial,
    regr_r2(ln(total_agents + 1), step) AS r_squared FROM t WHERE i < ${Math.floor(s.n / 2)}`)
  const [d] = await ask(`WITH shares AS (SELECT i, ${types.map((c) => `coalesce(${c} / nullif(${sum((c) => c)}, 0), 0) AS ${c}`)} FROM t),
    indices AS (SELECT *, -(${sum((c) => `CASE WHEN ${c} > 0 THEN ${c} * ln(${c}) ELSE 0 END`)}) AS diversity, ${sum((c) => `${c} * ${c}`)} AS dominance,
      sqrt(${sum((c) => `pow(avg(${c}) OVER later - avg(${c}) OVER earlier, 2)`)}) AS distance FROM shares
      WINDOW earlier AS (ORDER BY i ROWS BETWEEN 10 PRECEDING AND 1 PRECEDING), later AS (ORDER BY i ROWS BETWEEN CURRENT ROW AND 9 FOLLOWING))
    SELECT {mean: avg(diversity), std: stddev_pop(diversity), min: min(diversity), max: max(diversity)} AS diversity_index,
      {mean: avg(dominance), std: stddev_pop(dominance)} AS dominance_index, {${types.map((c) => `${c}: avg(${c})`)}} AS type_proportions,
      count(*) FILTER (distance > 0.1 AND i >= 10 AND i < ${s.n - 10}) AS num_significant_changes FROM indices`)
  const of = (struct) => struct.entries
  const { time_in_growth, time_in_decline, time_stable } = g
  const { mean_cv, volatility, max_fluctuation, mean_relative_change, max_relative_change } = g
  const { average_growth_rate, growth_rate_std, max_growth_rate, min_growth_rate, average_acceleration } = g
  return {
    population_statistics: {
      total: of(s.total_agents), peak_step: s.peak_step, peak_value: s.peak_value, final_value: s.final_value,
      trend: s.trend, survival_rate: s.survival_rate, ...Object.fromEntries(types.map((c) => [c, of(s[c])])),
    },
    birth_death_rates: {
      total_births: s.births, total_deaths: s.deaths, birth_rate: s.births / s.n, death_rate: s.deaths / s.n,
      net_growth: s.births - s.deaths, growth_rate: (s.births - s.deaths) / s.n,
    },
    population_stability: {
      mean_cv, stability_score: 1 / (1 + mean_cv), volatility, max_fluctuation, mean_relative_change, max_relative_change,
    },
    growth_rate_analysis: {
      average_growth_rate, growth_rate_std, max_growth_rate, min_growth_rate, average_acceleration,
      exponential_fit: fit, doubling_time: Math.log(2) / fit.rate, growth_phases, time_in_growth, time_in_decline, time_stable,
    },
    demographic_metrics: {
      diversity_index: of(d.diversity_index), dominance_index: of(d.dominance_index), type_proportions: of(d.type_proportions),
      type_stability: Object.fromEntries(types.map((c) => [c, s[`stability_${c}`]])), num_significant_changes: d.num_significant_changes,
    },
  }
}

async function main(analysis, path) {
  connection = await (await duckdb.DuckDBInstance.create(':memory:')).connect()
  await connection.run(`CREATE TABLE t AS SELECT row_number() OVER () - 1 AS i, * FROM read_csv('${path}')`)
  let best, answer
  for (let n = 0; n < 3; n++) {
    const start = performance.now()
    const before = process.cpuUsage()
    answer = await { describe, population }[analysis]()
    const { user, system } = process.cpuUsage(before)
    const took = { wall: (performance.now() - start) / 1e3, cpu: (user + system) / 1e6 }
    if (!best || took.wall < best.wall) best = took
  }
  const numbers = (_, v) => typeof v === 'bigint' ? Number(v) : v
  process.stdout.write(JSON.stringify({ ...best, answer }, numbers))
}

main(...process.argv.slice(2)).catch((err) => { console.error(err); process.exit(1) })
