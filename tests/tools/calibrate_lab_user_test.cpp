// attojoule calibrate on files as laboratories write them: other names, units and orders than the
// program's own, broken rows, data of another shape; and the exit code of every kind that has one.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <cmath>
#include <functional>

#include "tests/support/assets.hpp"
#include "tests/support/written_files.hpp"

namespace attojoule::tests {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string examples = std::string(ATTOJOULE_SOURCE_DIR) + "/data/laboratory/";

// Rows of x and formulas of it, written with `separator` and decimal mark.
std::string rows(const std::string& header, const std::vector<double>& x,
                 const std::vector<std::function<double(double)>>& formulas, char separator = ',',
                 char decimal = '.') {
  std::string text = header + "\n";
  const auto add = [&](double value) {
    std::string number = fmt::format("{:.10g}", value);
    std::replace(number.begin(), number.end(), '.', decimal);
    text += number;
  };
  for (const double at : x) {
    add(at);
    for (const auto& formula : formulas) {
      text += separator;
      add(formula(at));
    }
    text += '\n';
  }
  return text;
}

std::vector<double> steps(double from, double to, int count) {
  std::vector<double> x;
  for (int i = 0; i < count; ++i) x.push_back(from + (to - from) * i / (count - 1));
  return x;
}

// A scatter that is the same in every run: between -1 and 1, not in step with anything.
double wobble(double x) {
  const double u = 1e4 * std::sin(12.9898 * x + 4.1);
  return 2 * (u - std::floor(u)) - 1;
}

class LabUser : public WrittenFiles {
 protected:
  Outcome calibrate(std::vector<std::string> words) const {
    words.insert(words.begin(), "calibrate");
    return run_command(words);
  }
  double value(std::vector<std::string> words, const std::string& parameter) const {
    words.emplace_back("--json");
    const Outcome outcome = calibrate(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    if (outcome.code != 0) return std::nan("");
    return nlohmann::json::parse(outcome.out)["parameters"][parameter]["value"];
  }
};

TEST_F(LabUser, names_units_and_orders_of_others) {
  const auto photocurrent = [](double p) { return 0.85 * p * (1 + 1e-3 * wobble(p)) + 1e-3; };
  // Units at the end of the names, as scripts write them.
  const std::string script =
      write("script.csv", rows("power_mW,current_mA", steps(0, 5, 12), {photocurrent}));
  EXPECT_NEAR(value({"responsivity", script}, "responsivity"), 0.85, 2e-3);
  EXPECT_THAT(calibrate({"responsivity", script}).err,
              HasSubstr("column \"power_mW\": its unit mW is taken from its name"));
  EXPECT_NEAR(value({"responsivity", script, "--power", "power_mW"}, "responsivity"), 0.85, 2e-3);
  // Of two columns of one quantity none is chosen.
  const std::string twice =
      write("twice.csv", "P_mW,P_dBm,I_mA\n1,0,0.85\n2,3.01,1.7\n4,6.02,3.4\n8,9.03,6.8\n");
  EXPECT_THAT(calibrate({"responsivity", twice}).err, HasSubstr("--power NAME"));
  EXPECT_NEAR(value({"responsivity", twice, "--power", "P_dBm"}, "responsivity"), 0.85, 2e-3);
  // Subscripts are no units.
  EXPECT_EQ(
      calibrate({"responsivity", write("subscript.csv", "P_s,I_A\n0,0\n1,1\n2,2\n3,3\n")}).code, 3);

  // A network analyser that sweeps downwards, with a decimal comma; and two sweeps in one file.
  const auto level = [](double f) { return -10 * std::log10(1 + f * f / 49e4) + 0.03 * wobble(f); };
  auto down = steps(3000, 5, 300);
  EXPECT_NEAR(
      value({"s21", write("down.csv", rows("Frequenz [MHz];S21 [dB]", down, {level}, ';', ','))},
            "bandwidth_of_model"),
      700e6, 5e6);
  down.insert(down.end(), down.begin(), down.end());
  const std::string repeated = write("repeated.csv", rows("f [MHz],S21 [dB]", down, {level}));
  EXPECT_NEAR(value({"s21", repeated}, "bandwidth_of_model"), 700e6, 5e6);
  EXPECT_THAT(calibrate({"s21", repeated}).err,
              HasSubstr("300 rows have a frequency of another row"));

  // Level and phase under one name, as a network analyser exports them.
  const auto turn = [](double f) { return -180 / M_PI * std::atan(f / 700); };
  const std::string vna =
      write("vna.csv", rows("Freq(MHz),S21(DB),S21(DEG)", steps(5, 3000, 300), {level, turn}));
  EXPECT_NEAR(value({"s21", vna}, "bandwidth_of_model"), 700e6, 5e6);
  EXPECT_TRUE(nlohmann::json::parse(calibrate({"s21", vna, "--json"}).out)["figures"].contains(
      "group_delay"));

  // Two polarisations of one guide: whose loss is not ours to choose.
  const std::string polarised =
      write("polarised.csv", "L [cm],TE [dB],TM [dB]\n1,-10.1,-14\n2,-12.2,-18\n4,-16.4,-26\n");
  EXPECT_THAT(calibrate({"loss", polarised}).err, HasSubstr("Name one with --transmission"));
  EXPECT_NEAR(value({"loss", polarised, "--transmission", "TM"}, "propagation_loss"), 4, 0.01);

  // A rejection that somebody took the difference of, as a gain with its sign.
  const auto gain = [](double f) { return -34 - 0.05 * wobble(f); };
  EXPECT_NEAR(
      value({"cmrr", write("gain.csv", rows("f/MHz,CMRR/dB", steps(1, 9, 9), {gain}))}, "cmrr"), 34,
      0.1);

  // A heater by its power; and the two ports of a ring with unlike couplers.
  const auto heater = [](double mw) {
    return 1.01 + 0.99 * std::cos(0.4 + M_PI * mw / 22) + 1e-3 * wobble(mw);
  };
  const std::string hot =
      write("hot.csv", rows("P_heater [mW],T [mW]", steps(0, 60, 120), {heater}));
  EXPECT_NEAR(value({"mzm", hot}, "half_wave_power"), 22e-3, 1e-5);
  constexpr double r1 = 0.96, r2 = 0.98, a = 0.97, loop = r1 * r2 * a;
  const auto whole = [](double f) {
    return 1 - 2 * loop * std::cos(2 * M_PI * f / 100) + loop * loop;
  };
  const std::string ports = write(
      "ports.csv",
      rows("f [GHz],through [1],drop [1]", steps(193000.3, 193250.3, 1000),
           {[&](double f) {
              return (r1 * r1 - 2 * loop * std::cos(2 * M_PI * f / 100) + r2 * r2 * a * a) /
                     whole(f) * (1 + 2e-3 * wobble(f));
            },
            [&](double f) {
              return (1 - r1 * r1) * (1 - r2 * r2) * a / whole(f) * (1 + 2e-3 * wobble(f + 1));
            }}));
  const std::vector<std::string> both{"ring", ports,        "--power", "through",    "--drop",
                                      "drop", "--coupling", "under",   "--relative", "0.12%"};
  EXPECT_NEAR(value(both, "round_trip_amplitude"), a, 2e-4);
  EXPECT_NEAR(value(both, "self_coupling"), r1, 2e-4);
  EXPECT_NEAR(value(both, "second_self_coupling"), r2, 2e-4);
  EXPECT_EQ(
      calibrate({"ring", ports, "--power", "through", "--drop", "drop", "--port", "drop"}).code, 2);

  // Frequency noise as its root, and as phase noise of one sideband: h0 = 2e4.
  const auto noise = [](double f) { return (2e4 + 3e7 / f) * (1 + 0.05 * wobble(f)); };
  std::vector<double> offsets;
  for (double f = 100; f < 1e6; f *= 1.08) offsets.push_back(f);
  EXPECT_NEAR(
      value({"linewidth", write("root.csv", rows("Offset (Hz),Noise (Hz/sqrt(Hz))", offsets,
                                                 {[&](double f) { return std::sqrt(noise(f)); }}))},
            "h0"),
      2e4, 400);
  EXPECT_NEAR(value({"linewidth",
                     write("phase.csv", rows("Offset (Hz),L (dBc/Hz)", offsets, {[&](double f) {
                                               return 10 * std::log10(noise(f) / (2 * f * f));
                                             }}))},
                    "h0"),
              2e4, 400);

  // Tables of EMVA 1288 need no units; weights and curves under other names.
  const auto photons = steps(200, 20000, 25);
  const std::string camera =
      write("camera.csv",
            rows("u_p;u_y;s2_y;u_ydark;s2_ydark", photons,
                 {[](double p) { return 0.22 * p + 100; },
                  [](double p) { return 20 + 0.088 * p + 0.01 * wobble(p); },
                  [](double) { return 100; }, [](double p) { return 20 + 0.01 * wobble(2 * p); }},
                 ';', ','));
  EXPECT_NEAR(value({"ptc", camera}, "K"), 0.4, 1e-3);
  std::string written = "Target;Cycle;Measured\n";
  for (int i = 0; i < 60; ++i) {
    written += fmt::format("{};{};{:.6f}\n", i / 20, (i / 5) % 4,
                           i / 20 + 0.01 * wobble(i / 5) + 0.003 * wobble(i));
  }
  EXPECT_EQ(calibrate({"weights", write("weights.csv", written)}).code, 0);

  // Records with a running number or a time beside the readings.
  const auto sine = [](double n) {
    return std::round(100 * std::sin(0.377 * n) + 128 + 0.3 * wobble(n));
  };
  EXPECT_NEAR(value({"adc", write("adc.csv", rows("Sample;Code", steps(0, 999, 1000), {sine}, ';')),
                     "--bits", "8"},
                    "amplitude"),
              100, 0.2);
  const std::string clock = write("clock.csv", rows("t [s],freq offset [1]", steps(0, 1998, 1000),
                                                    {[](double t) { return 1e-11 * wobble(t); }}));
  // Uniform scatter of 1e-11 / sqrt 3, at 2 s.
  EXPECT_NEAR(value({"allan", clock}, "oadev_tau0"), 1e-11 / std::sqrt(3.0), 0.5e-12);
  EXPECT_THAT(calibrate({"allan", clock}).err, HasSubstr("taken as a frequency"));
}

TEST_F(LabUser, broken_rows_and_senseless_numbers_are_placed) {
  struct Bad {
    const char* kind;
    const char* text;
    const char* part;
  };
  for (const Bad& bad : std::vector<Bad>{
           {"responsivity", "P [mW],I [mA]\n0,0\n1,9.9E37\n2,2\n", "bad.csv:3:2: \"9.9E37\""},
           {"responsivity", "P [dBm],I [mA]\n-inf,0\n0,1\n3,2\n",
            "bad.csv:2:1: \"-inf\" is no finite number"},
           {"responsivity", "0,0\n1,1\n2,2\n3,3\n", "the file has no header"},
           {"responsivity", "P [mW],I [mA]\n0,1\n1,1\n2,1\n3,1\n4,1\n", "equals dark current"},
           {"shot-noise", "P [mW],V [V^2]\n0,9\n1,7\n2,4\n3,2\n",
            "variance falls with power (t = "},
           {"shot-noise", "P [mW],V [V^2]\n0,9\n1,7\n2,4\n3,2\n", "bad.csv:5 and "},
           {"ring", "f [GHz],T [1]\n", "no row of numbers"},
           {"allan", "t [s],x [s]\n0,1\n1,2\n5,1\n6,0\n", "bad.csv:4: t steps by 4 s"}}) {
    const Outcome outcome = calibrate({bad.kind, write("bad.csv", bad.text)});
    EXPECT_EQ(outcome.code, 3) << bad.text;
    EXPECT_THAT(outcome.err, HasSubstr(bad.part)) << bad.text;
  }
  // Three points leave one degree of freedom, and no room for a bend.
  EXPECT_EQ(calibrate({"responsivity",
                       write("three.csv", "P [mW],I [mA]\n0,0.001\n1,.851\n2,1.702\n"), "--strict"})
                .code,
            0);
  // Data without any scatter are not rejected for the last digits.
  const Outcome exact = calibrate({"responsivity",
                                   write("exact.csv", rows("P [mW],I [mA]", steps(0, 3, 9),
                                                           {[](double p) { return 0.85 * p; }})),
                                   "--strict", "--wavelength", "1550nm"});
  EXPECT_EQ(exact.code, 0) << exact.err;
  EXPECT_THAT(exact.err, Not(HasSubstr("not proportional")));
  EXPECT_THAT(
      calibrate({"responsivity", write("mega.csv", "P [MW],I [mA]\n0,0\n1,.85\n2,1.7\n3,2.56\n"),
                 "--wavelength", "1550nm"})
          .err,
      HasSubstr("are the units of power and current right?"));
  EXPECT_THAT(
      calibrate({"adc", write("clip.csv", rows("n,code", steps(0, 999, 1000), {[](double n) {
                                                 return std::clamp(
                                                     std::round(140 * std::sin(0.377 * n) + 128),
                                                     0.0, 255.0);
                                               }})),
                 "--bits", "8"})
          .err,
      HasSubstr("it is clipped"));
}

// What has another shape than the model is not accepted, although nothing is known of the scatter.
TEST_F(LabUser, other_shapes_are_rejected) {
  const auto code = [&](const char* kind, const std::string& text) {
    const Outcome outcome = calibrate({kind, write("shape.csv", text), "--strict"});
    return outcome.code;
  };
  const auto volts = steps(0, 8, 161);
  // A drift of the light between an upward and a downward sweep; a square wave; a fringe whose mean
  // runs away.
  std::string sweeps = "V [V],P [mW]\n";
  for (int i = 0; i < 322; ++i) {
    const double v =
        i < 161 ? volts[static_cast<std::size_t>(i)] : volts[static_cast<std::size_t>(321 - i)];
    sweeps += fmt::format("{:.3f},{:.6f}\n", v, (1 - 0.2 * i / 322.0) * (1.01 + std::cos(v)));
  }
  EXPECT_EQ(code("mzm", sweeps), 6);
  EXPECT_EQ(code("mzm", rows("V [V],P [mW]", volts,
                             {[](double v) { return std::sin(3 * v) > 0 ? 1.0 : 0.1; }})),
            6);
  EXPECT_EQ(code("visibility", rows("x [V],P [mW]", volts, {[](double v) {
                                      return (2 + std::cos(3 * v)) * (1 + 0.05 * v);
                                    }})),
            6);
  // Two points a fringe: an alias cannot be told.
  EXPECT_EQ(code("mzm", rows("V [V],P [mW]", steps(0, 40, 41),
                             {[](double v) { return 1.1 + std::cos(3.0 * v); }})),
            5);
  // A split resonance; resonances spaced as no dispersion does; a drop port.
  const auto dip = [](double f, double at, double w) {
    const double x = 2 * (f - at) / w;
    return (0.02 + x * x) / (1 + x * x);
  };
  const auto optical = steps(193000, 193200, 2001);
  EXPECT_EQ(code("ring", rows("f [GHz],T [1]", optical,
                              {[&](double f) { return dip(f, 193096, 5) * dip(f, 193107, 5); }})),
            6);
  EXPECT_EQ(code("ring", rows("f [GHz],T [1]", steps(190000, 196000, 6001), {[&](double f) {
                                double t = 1;
                                for (int k = -3; k < 4; ++k)
                                  t *= dip(f, 193000 + 900 * k + 12 * (k % 2), 15);
                                return t;
                              }})),
            6);
  EXPECT_EQ(code("ring", rows("f [GHz],T [1]", optical,
                              {[&](double f) { return 1.001 - dip(f, 193100, 5); }})),
            5);
  // A Gaussian line under a Lorentzian, frequency noise that rises.
  EXPECT_EQ(code("linewidth", rows("f [MHz],P [mW]", steps(0, 30, 61), {[](double f) {
                                     return std::exp(-(f - 15) * (f - 15) / 20) + 1e-9;
                                   }})),
            6);
  EXPECT_EQ(code("linewidth", rows("f [MHz],S [Hz^2/Hz]", steps(1, 30, 60),
                                   {[](double f) { return std::exp(f / 3); }})),
            6);
}

// Every exit code that a kind has, through the command line. Where a kind's fit is linear, or
// starts so near to its minimum that there is no data to miss it with, it has no 4.
TEST_F(LabUser, exit_codes_of_every_kind) {
  const auto x = steps(0.5, 30, 60);
  const auto line = [&](const char* header) {
    return rows(header, x, {[](double v) { return v; }});
  };
  const auto flat = [&](const char* header) {
    return rows(header, x, {[](double) { return 1.0; }});
  };
  const auto with = [&](const char* header, std::function<double(double)> f) {
    return rows(header, x, {std::move(f)});
  };
  const auto spike = [](double v) { return std::abs(v - 15.5) < 0.3 ? 1e6 : 1.0; };
  const auto step = [](double v) { return v > 15 ? 2.0 : 1.0; };
  const std::string noise = "f [MHz],noise [W/Hz],dark [W/Hz]";
  const auto lit = [&](std::function<double(double)> f) {
    return rows(noise, x,
                {[=](double v) { return 1e-18 * (f(v) + 0.1); }, [](double) { return 1e-20; }});
  };
  // K = 0.25 DN/e-, eta = 0.6; mean and variance are multiplied by functions of the share of the
  // longest exposure.
  const auto camera = [&](std::function<double(double)> mean, std::function<double(double)> var) {
    const auto constant = [](double c) { return [c](double) { return c; }; };
    return rows(
        "u_p [photon],u_y [DN],s2_y [DN^2],u_ydark [DN],s2_ydark [DN^2]", steps(500, 30000, 60),
        {[=](double p) { return 20 + 0.15 * p * mean(p / 30000); },
         [=](double p) { return 12 + 0.0375 * p * var(p / 30000); }, constant(20), constant(12)});
  };
  const auto as_it_is = [](double) { return 1.0; };
  const auto reciprocal = [](double share) { return 1 / share; };
  const auto bent = [](double share) { return 1 - 0.1 * share; };
  const std::vector<std::string> emva{"--pixels", "40000"},
      weighted{"--pixels", "40000", "--method", "weighted"},
      nonlinear{"--pixels", "40000", "--method", "nonlinear"};
  struct Run {
    const char* kind;
    std::string text;
    int code;
    std::vector<std::string> options = {};
    const char* name = "run.csv";
  };
  const std::vector<Run> runs{
      {"ptc", camera(as_it_is, as_it_is), 0, emva},
      {"ptc", camera(as_it_is, as_it_is), 0, weighted},
      {"ptc", camera(as_it_is, as_it_is), 0, nonlinear},
      {"ptc", camera(reciprocal, reciprocal), 5, emva},  // all at one exposure
      {"ptc", camera(reciprocal, reciprocal), 5, weighted},
      {"ptc", camera(reciprocal, reciprocal), 5, nonlinear},
      {"ptc", camera(bent, [&](double s) { return bent(s) * bent(s); }), 6, weighted},
      {"ptc", camera([](double) { return 3.0; }, as_it_is), 6, emva},  // eta = 5.4
      {"ptc", camera(as_it_is, [](double s) { return std::abs(std::sin(30 * s)) / s; }), 4,
       nonlinear},
      {"shot-noise", with("P [mW],V [V^2]", [](double v) { return std::exp(v / 3); }), 4},
      {"shot-noise", flat("P [mW],V [V^2]"), 6},
      {"shot-noise", with("P [mW],V [V^2]", [](double v) { return 1 + 0.3 * wobble(v); }), 5},
      {"shot-noise", "P [mW],V [V^2]\n1,2\n1,2.1\n1,1.9\n1,2.05\n", 5},
      {"responsivity", "P [mW],I [mA]\n1,1\n1,1.01\n1,0.99\n1,1\n", 5},
      {"responsivity", with("P [mW],I [mA]", [](double v) { return v * v; }), 6},
      {"cmrr",
       rows("f [MHz],one [mW],both [mW]", x,
            {[](double) { return 1e3; }, [](double v) { return v; }}),
       6},
      {"cmrr",
       rows("f [MHz],one [mW],both [mW]", x,
            {[](double) { return 1e3; }, [](double v) { return std::exp(-v); }}),
       5},
      {"visibility", line("x [V],I [mA]"), 4},
      {"visibility", flat("x [V],I [mA]"), 5},
      {"visibility", with("x [V],I [mA]", step), 6},
      {"mzm", line("V [V],P [mW]"), 4},
      {"mzm", flat("V [V],P [mW]"), 5},
      {"mzm", with("V [V],P [mW]", step), 6},
      {"ring", flat("f [GHz],T [1]"), 5},
      {"ring", with("f [GHz],T [1]", step), 6},
      {"li", with("I [mA],P [mW]", spike), 4},
      {"li", line("I [mA],P [mW]"), 6},
      {"loss", "L [cm],T [dB]\n1,-5\n1,-5.1\n1,-5.2\n1,-4.9\n", 5},
      {"loss", with("L [cm],T [dB]", step), 6},
      {"rin",
       lit([](double v) { return std::exp(v / 3); }),
       4,
       {"--photocurrent", "1mA", "--model", "relaxation"}},
      {"rin",
       lit([](double) { return 1.0; }),
       5,
       {"--photocurrent", "1mA", "--model", "relaxation"}},
      {"rin", lit([](double v) { return v; }), 6, {"--photocurrent", "1mA"}},
      {"linewidth", with("f [MHz],P [mW]", [](double v) { return std::exp(v / 3); }), 4},
      {"linewidth", flat("f [MHz],P [mW]"), 5},
      {"linewidth", with("f [MHz],P [mW]", step), 6},
      {"linewidth", flat("f [MHz],S [Hz^2/Hz]"), 0},
      {"linewidth", line("f [MHz],S [Hz^2/Hz]"), 6},
      {"s21", flat("f [MHz],P [mW]"), 5},
      {"s21",
       with("f [MHz],P [mW]", [](double v) { return std::exp(-(v - 15) * (v - 15) / 20) + 1e-9; }),
       6},
      {"adc", rows("n,code", x, {[](double v) { return std::exp(v / 3); }}), 4},
      {"psd", line("t [s],x [V]"), 6},
      {"weights", "target [1],write,value [1]\n0,1,1\n1,1,2\n", 5}};
  for (const Run& run : runs) {
    std::vector<std::string> words{run.kind, write(run.name, run.text), "--strict", "--out",
                                   path("out")};
    words.insert(words.end(), run.options.begin(), run.options.end());
    const Outcome outcome = calibrate(words);
    EXPECT_EQ(outcome.code, run.code) << run.kind << "\n" << run.text.substr(0, 80) << outcome.err;
    // 6 is a matter of --strict, and none of them leaves a device.
    words.erase(words.begin() + 2);
    if (run.code == 6) {
      EXPECT_EQ(calibrate(words).code, 0) << run.kind;
    }
    if (run.code != 0) {
      EXPECT_FALSE(std::filesystem::exists(path("out/device.yaml"))) << run.kind;
      EXPECT_THAT(outcome.err, HasSubstr(std::string("attojoule: ") + run.kind + ": "));
      EXPECT_NE(json_of("out/result.json")["verdict"], "accepted") << run.kind;
    }
  }
}

// Acceptance figures of measured sets, through the command line.
TEST_F(LabUser, photon_transfer_of_a_real_camera_is_the_standards_to_nine_digits) {
  ATTOJOULE_ASSET(file, "lab/photon_transfer/emva1288_001_ccd12.csv");
  const Outcome outcome = calibrate({"ptc", file.string(), "--method", "emva", "--json"});
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const auto found = nlohmann::json::parse(outcome.out);
  std::ifstream stream(file.parent_path() / "emva1288_001_reference.json");
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  for (auto at = text.find("NaN"); at != std::string::npos; at = text.find("NaN")) {
    text.replace(at, 3, "null");  // Python's, and no JSON
  }
  auto reference = nlohmann::json::parse(text);
  if (reference.contains("results")) reference = reference["results"];
  const std::vector<const char*> names{"K",       "R",       "sigma_d", "sigma_y_dark",
                                       "u_p_min", "u_p_sat", "u_e_sat", "SNR_max",
                                       "DR",      "LE_min",  "LE_max"};
  for (const char* name : names) {
    const char* group = found["parameters"].contains(name) ? "parameters" : "figures";
    EXPECT_NEAR(found[group][name]["value"].get<double>() / reference[name].get<double>(), 1, 1e-9)
        << name;
  }
  EXPECT_NEAR(
      100 * found["parameters"]["eta"]["value"].get<double>() / reference["QE"].get<double>(), 1,
      1e-9);
}

TEST_F(LabUser, bandwidths_of_real_photodetectors_are_their_authors) {
  ATTOJOULE_ASSET(folder, "lab/photodetector_traces");
  struct Trace {
    const char* file;
    const char* trace;
    double bandwidth_hz;
  };
  for (const Trace& one : {Trace{"OPA657_S5793_10kOhm.csv", "Trace A", 62.7e6},
                           Trace{"OPA818_FGA01FC_4k7.csv", "Trace A", 214e6},
                           Trace{"OPA818_FD80FC_5k1.csv", "Trace A", 246e6},
                           Trace{"2022-11-16_opa818_fd80fc_5k1.csv", "Trace C", 290e6},
                           Trace{"OPA657_S5791_1MOhm.csv", "Trace D", 3.7e6}}) {
    for (const char* poles : {"auto", "none"}) {
      EXPECT_NEAR(
          value({"s21", (folder / one.file).string(), "--column", one.trace, "--poles", poles},
                "bandwidth_3dBe") /
              one.bandwidth_hz,
          1, 0.1)
          << one.file;
    }
  }
}

// Spectra at several currents: K factor, D factor and threshold, from noise and from responses.
TEST_F(LabUser, a_laser_over_its_bias_current) {
  constexpr double d = 40e9, k = 0.3e-9, offset = 4e9, threshold = 12e-3;
  std::vector<std::string> noise, response;
  std::string currents;
  const auto f = steps(0.1, 20, 200);  // GHz
  for (const double current : {16e-3, 20e-3, 26e-3, 34e-3, 44e-3}) {
    const double fr = d * std::sqrt(current - threshold), gamma = offset + k * fr * fr;
    const auto shape = [=](double ghz) {
      const double x = 1e9 * ghz, g = gamma / (2 * M_PI);
      return 1 / (std::pow(fr * fr - x * x, 2) + g * g * x * x);
    };
    const auto rin = [=](double ghz) {
      const double x = 1e9 * ghz;
      return (1e-15 * std::pow(fr, 4) + 8e-15 * fr * fr * x * x) * shape(ghz);
    };
    // 1 mA in 50 ohm: 5e-5 W; shot noise 2 q / I.
    const auto lit = [=](double ghz) {
      return 5e-5 * (rin(ghz) + 3.204e-16) * (1 + 0.02 * wobble(ghz + current)) + 1e-22;
    };
    noise.push_back(write(
        fmt::format("rin{}.csv", noise.size()),
        fmt::format("# bias current: {} mA\n", 1e3 * current) +
            rows("f [GHz],noise [W/Hz],dark [W/Hz]", f, {lit, [](double) { return 1e-22; }})));
    response.push_back(write(fmt::format("s21_{}.csv", response.size()),
                             rows("f [GHz],S21 [dB]", f, {[=](double ghz) {
                                    return 10 * std::log10(std::pow(fr, 4) * shape(ghz)) +
                                           0.1 * wobble(ghz + 2 * current);
                                  }})));
    currents += fmt::format("{}{} mA", currents.empty() ? "" : ", ", 1e3 * current);
  }
  const auto check = [&](std::vector<std::string> words) {
    words.insert(words.end(), {"--out", path("laser")});
    const Outcome outcome = calibrate(words);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    const auto result = json_of("laser/result.json");
    EXPECT_EQ(result["verdict"], "accepted") << outcome.err;
    for (const auto& [name, truth] :
         std::vector<std::pair<const char*, double>>{{"d_factor", d},
                                                     {"k_factor", k},
                                                     {"damping_offset", offset},
                                                     {"threshold_current", threshold}}) {
      const auto& p = result["parameters"][name];
      EXPECT_NEAR(p["value"].get<double>(), truth, 4 * p["u_a"].get<double>())
          << words[0] << " " << name;
      EXPECT_LT(p["u_a"].get<double>(), 0.1 * truth) << name;
    }
    EXPECT_EQ(result["tables"]["currents"]["current"]["values"].size(), 5U);
    EXPECT_EQ(result["inputs"].size(), 5U);
    EXPECT_FALSE(std::filesystem::exists(path("laser/device.yaml")));
    ASSERT_EQ(std::system(
                  ("/usr/bin/python3 " + path("laser/check.py") + " > " + path("printed")).c_str()),
              0);
    std::istringstream printed(text_of("printed"));
    std::string name;
    double found = 0, error = 0;
    int count = 0;
    while (printed >> name >> found >> error) {
      const auto& p = result["parameters"][name];
      EXPECT_NEAR(found / p["value"].get<double>(), 1, 1e-6) << name;
      EXPECT_NEAR(error / p["u_a"].get<double>(), 1, 1e-4) << name;
      ++count;
    }
    EXPECT_EQ(count, 4);
  };
  std::vector<std::string> words{"rin"};
  words.insert(words.end(), noise.begin(), noise.end());
  words.insert(words.end(), {"--model", "relaxation", "--photocurrent", "1mA"});
  check(words);
  std::vector<std::string> more{"s21", "--laser", "--currents", currents};
  more.insert(more.begin() + 1, response.begin(), response.end());
  check(more);

  // What is missing is said.
  words.resize(words.size() - 4);
  EXPECT_THAT(calibrate(words).err, HasSubstr("--model relaxation"));
  EXPECT_EQ(calibrate({"s21", response[0], response[1], "--laser"}).code, 3);  // no currents
  EXPECT_EQ(calibrate({"s21", response[0], response[1], "--laser", "--currents", "1mA"}).code, 2);
  const Outcome few =
      calibrate({"s21", response[0], response[1], "--laser", "--currents", "16mA, 20mA"});
  EXPECT_EQ(few.code, 3);
  EXPECT_THAT(few.err, HasSubstr("2 different bias currents"));
  EXPECT_EQ(calibrate({"s21", response[0], "--currents", "16mA"}).code, 2);
  EXPECT_EQ(calibrate({"s21", response[0], "--laser", "--poles", "1"}).code, 2);
  EXPECT_NEAR(value({"s21", response[2], "--laser"}, "relaxation_frequency"), d * std::sqrt(14e-3),
              2e7);
}

}  // namespace
}  // namespace attojoule::tests
