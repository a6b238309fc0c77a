import { Call, Obj, Params, Random, Simulation, Writer, intCol } from "../../assembly";

export const sirParams = new Params();
const population = sirParams.integer("population").default("1000").minimum("1").maximum("10000000").unit("agents").title("Population");
const infectionRate = sirParams.number("infection_rate").default("0.05").minimum("0").maximum("1").unit("per contact").title("Infection rate")
  .doc("Probability that a contact of an infected with a susceptible agent infects it.");
const recoveryRate = sirParams.number("recovery_rate").default("0.1").minimum("0").maximum("1").unit("per step").title("Recovery rate")
  .doc("Probability that an infected agent recovers in a step.");
const contacts = sirParams.integer("contacts").default("5").minimum("0").maximum("1000").unit("per agent and step").title("Contacts")
  .doc("How many others each infected agent meets in a step.");
const initial = sirParams.integer("initial_infected").default("10").minimum("0").maximum("10000000").unit("agents").title("Infected at the start")
  .doc("At most the population.");
const steps = sirParams.integer("steps").default("200").minimum("1").maximum("1000000").unit("steps").title("Steps").doc("The run ends after these.");

class Epidemic extends Simulation {
  random: Random;
  out: Writer;
  susceptible: i64;
  infected: i64;
  recovered: i64 = 0;
  taken: i64 = 0;
  peak: i64 = 0;
  peakStep: i64 = 0;
  over: i64 = -1; // before it is

  constructor(c: Call) {
    super();
    this.random = c.random();
    this.out = c.output("steps", [intCol("step"), intCol("susceptible"), intCol("infected"), intCol("recovered"), intCol("total_agents")]);
    this.susceptible = population.value - initial.value;
    this.infected = initial.value;
  }

  record(): void {
    if (this.infected > this.peak) {
      this.peak = this.infected;
      this.peakStep = this.taken;
    }
    if (this.infected == 0 && this.over < 0) this.over = this.taken;
    this.out.int(this.taken).int(this.susceptible).int(this.infected).int(this.recovered).int(population.value).end();
  }

  step(c: Call): bool {
    let infections: i64 = 0, recoveries: i64 = 0;
    for (let i: i64 = 0; i < this.infected; i++) {
      for (let k: i64 = 0; k < contacts.value; k++) {
        // The one it meets is any agent; those already infected in this step are no
        // longer susceptible.
        const met = <i64>this.random.below(population.value);
        if (met < this.susceptible - infections && this.random.float() < infectionRate.value) infections++;
      }
      if (this.random.float() < recoveryRate.value) recoveries++;
    }
    this.susceptible -= infections;
    this.infected += infections - recoveries;
    this.recovered += recoveries;
    this.taken++;
    c.progress(<f64>this.taken / <f64>steps.value, "step " + this.taken.toString() + ": " + this.infected.toString() + " infected");
    this.record();
    return this.taken >= steps.value;
  }

  result(c: Call): void {
    const r = new Obj().float("final_size", <f64>(this.infected + this.recovered) / <f64>population.value);
    if (this.over >= 0) r.int("over_at_step", this.over);
    else r.raw("over_at_step", "null");
    r.int("peak_infected", this.peak).int("peak_step", this.peakStep);
    r.float("r0", recoveryRate.value > 0 ? <f64>contacts.value * infectionRate.value / recoveryRate.value : NaN); // NaN: null
    c.result(r.int("steps", this.taken));
  }
}

export function startSIR(c: Call): Simulation | null {
  if (initial.value > population.value) {
    c.fail("initial_infected: " + initial.value.toString() + " agents cannot be infected in a population of " + population.value.toString());
    return null;
  }
  const e = new Epidemic(c);
  e.record();
  return e;
}
