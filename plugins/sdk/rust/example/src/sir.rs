use super::*;
use thresher::{Random, Writer};

thresher::params! {
    pub struct Params {
        population: i64 { standard: "1000", minimum: "1", maximum: "10000000", unit: "agents", title: "Population" },
        infection_rate: f64 { standard: "0.05", minimum: "0", maximum: "1", unit: "per contact", title: "Infection rate",
            doc: "Probability that a contact of an infected with a susceptible agent infects it." },
        recovery_rate: f64 { standard: "0.1", minimum: "0", maximum: "1", unit: "per step", title: "Recovery rate",
            doc: "Probability that an infected agent recovers in a step." },
        contacts: i64 { standard: "5", minimum: "0", maximum: "1000", unit: "per agent and step", title: "Contacts",
            doc: "How many others each infected agent meets in a step." },
        initial_infected: i64 { standard: "10", minimum: "0", maximum: "10000000", unit: "agents", title: "Infected at the start",
            doc: "At most the population." },
        steps: i64 { standard: "200", minimum: "1", maximum: "1000000", unit: "steps", title: "Steps", doc: "The run ends after these." },
    }
}

pub struct Epidemic {
    params: Params,
    random: Random,
    out: Writer,
    susceptible: i64,
    infected: i64,
    recovered: i64,
    step: i64,
    peak: i64,
    peak_step: i64,
    over: Option<i64>,
}

pub fn start(c: &mut Call, p: Params) -> Result<Epidemic> {
    if p.initial_infected > p.population {
        return Err(Error(format!(
            "initial_infected: {} agents cannot be infected in a population of {}",
            p.initial_infected, p.population
        )));
    }
    let columns = ["step", "susceptible", "infected", "recovered", "total_agents"].map(int_col);
    let mut e = Epidemic {
        random: c.random(),
        out: c.output("steps", &columns),
        susceptible: p.population - p.initial_infected,
        infected: p.initial_infected,
        recovered: 0,
        step: 0,
        peak: 0,
        peak_step: 0,
        over: None,
        params: p,
    };
    e.record()?;
    Ok(e)
}

impl Epidemic {
    fn record(&mut self) -> Result<()> {
        if self.infected > self.peak {
            self.peak = self.infected;
            self.peak_step = self.step;
        }
        if self.infected == 0 && self.over.is_none() {
            self.over = Some(self.step);
        }
        let row = [self.step, self.susceptible, self.infected, self.recovered, self.params.population];
        self.out.append(&row.map(Value::from))
    }
}

impl Simulation for Epidemic {
    fn step(&mut self, c: &mut Call) -> Result<bool> {
        let (mut infections, mut recoveries) = (0, 0);
        for _ in 0..self.infected {
            for _ in 0..self.params.contacts {
                // The one it meets is any agent; those already infected in this step are
                // no longer susceptible.
                let met = self.random.below(self.params.population as u64) as i64;
                if met < self.susceptible - infections && self.random.float() < self.params.infection_rate {
                    infections += 1;
                }
            }
            if self.random.float() < self.params.recovery_rate {
                recoveries += 1;
            }
        }
        self.susceptible -= infections;
        self.infected += infections - recoveries;
        self.recovered += recoveries;
        self.step += 1;
        c.progress(self.step as f64 / self.params.steps as f64, &format!("step {}: {} infected", self.step, self.infected));
        self.record()?;
        Ok(self.step >= self.params.steps)
    }

    fn result(&mut self, _: &mut Call) -> Result<Json> {
        let p = &self.params;
        let r0 = p.contacts as f64 * p.infection_rate / p.recovery_rate;
        Ok(Json::object()
            .with("final_size", (self.infected + self.recovered) as f64 / p.population as f64)
            .with("over_at_step", self.over)
            .with("peak_infected", self.peak)
            .with("peak_step", self.peak_step)
            .with("r0", if p.recovery_rate > 0.0 { Some(r0) } else { None })
            .with("steps", self.step))
    }
}
