#include "network/energy_gradient.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "network/backward.hpp"
#include "network/parallel.hpp"
#include "network/single_thread.hpp"
#include "photonics/error.hpp"
#include "photonics/random.hpp"

namespace attojoule::network {
namespace {

// Step of ln E for the derivative of variance coefficients: they are sums of powers n^0, n^-1 and
// n^-2 of the light, for which the error of a central difference is below 2/3 h^2.
constexpr double log_step = 1e-3;

// A probability below this costs as much as this.
constexpr double least_probability = 1e-30;

std::vector<ProductOperatingPoint> scaled(std::vector<ProductOperatingPoint> points,
                                          double factor) {
  for (auto& product : points) {
    for (auto& point : product) point.photons_per_mac *= factor;
  }
  return points;
}

photonics::VarianceCoefficients combine(const photonics::VarianceCoefficients& a, double factor_a,
                                        const photonics::VarianceCoefficients& b, double factor_b) {
  photonics::VarianceCoefficients sum;
  const auto add = [&](double photonics::VarianceCoefficients::*member) {
    sum.*member = factor_a * (a.*member) + factor_b * (b.*member);
  };
  add(&photonics::VarianceCoefficients::constant);
  add(&photonics::VarianceCoefficients::weight_norm);
  add(&photonics::VarianceCoefficients::input_norm);
  add(&photonics::VarianceCoefficients::norm_product);
  add(&photonics::VarianceCoefficients::signal);
  return sum;
}

// One sample's way through the network and back.
struct SampleLoss {
  double loss = 0;
  bool correct = false;
};

}  // namespace

struct EnergyGradient::State {
  Program* program;
  SampleSource source;
  photonics::Device device;
  NoiseRequest law;
  int threads;
  BackwardPlan plan;
  std::vector<NoiseSlopes> slopes;
  std::vector<std::vector<double>> energies;  // E of every channel, or one for all
  double passes = 0;

  struct Worker {
    Program::Lane lane;
    AlignedBlock arena;
    std::vector<std::unordered_map<int, dnnl::memory>> arguments;
    std::vector<double> probabilities;
  };
  std::vector<Worker> workers;

  bool weight_noise() const { return law.law == photonics::Law::garg_weight; }
  void add_worker();
  SampleLoss forward(Worker& worker, std::int64_t sample, const Program::PassSettings& settings,
                     LabelSource labels, float* gradient) const;
  void backward(Worker& worker, std::int64_t sample, const Program::PassSettings& settings,
                bool curvature, double* energies_of_sample) const;
  // Runs the samples in parallel; adds each one's energies to `sums` in their order.
  GradientResult run(std::span<const std::int64_t> samples, const Program::PassSettings& settings,
                     LabelSource labels, bool curvature, std::vector<double>* sums);
  std::vector<std::vector<double>> shaped(const std::vector<double>& sums, double count,
                                          bool by_channel) const;
};

void EnergyGradient::State::add_worker() {
  Program::State& state = ProgramAccess::state(*program);
  Worker worker{program->make_lane(), nullptr, {}, {}};
  worker.arena = allocate_aligned(std::max<std::size_t>(plan.memory.total, 64));
  auto* forward_arena = ProgramAccess::state(worker.lane).arena.get();
  const auto at = [&](const BackwardCall::Argument& argument) {
    const Place& place = argument.place;
    if (place.constant != nullptr) return const_cast<float*>(place.constant + place.offset);
    const auto buffer = static_cast<std::size_t>(place.buffer);
    std::byte* base = argument.gradient ? worker.arena.get() + plan.memory.offsets[buffer]
                                        : forward_arena + state.memory.offsets[buffer];
    return reinterpret_cast<float*>(base) + place.offset;
  };
  for (const auto& call : plan.calls) {
    std::unordered_map<int, dnnl::memory> arguments;
    for (const auto& argument : call->arguments) {
      arguments.emplace(argument.name, dnnl::memory(argument.desc, state.engine, at(argument)));
    }
    for (const auto& [name, memory] : call->shared) arguments.emplace(name, memory);
    worker.arguments.push_back(std::move(arguments));
  }
  workers.push_back(std::move(worker));
}

// Runs the sample, and puts dL/d output into `gradient` where that is not nullptr.
SampleLoss EnergyGradient::State::forward(Worker& worker, std::int64_t sample,
                                          const Program::PassSettings& settings, LabelSource labels,
                                          float* gradient) const {
  source.load(sample, worker.lane);
  const auto output = program->run(worker.lane, static_cast<std::uint32_t>(sample), settings, {});
  auto& p = worker.probabilities;
  p.assign(output.begin(), output.end());
  if (!plan.probabilities) {
    const double largest = *std::max_element(p.begin(), p.end());
    double sum = 0;
    for (double& value : p) sum += value = std::exp(value - largest);
    for (double& value : p) value /= sum;
  }
  const int label = source.label(sample);
  const auto best = std::max_element(output.begin(), output.end()) - output.begin();
  const auto target = static_cast<std::size_t>(label);
  if (label < 0 || target >= p.size()) {
    throw DataError(
        fmt::format("sample {}: label {} for a network of {} outputs. Use the data set's "
                    "label_offset to fit its labels to the network.",
                    sample, label, p.size()));
  }
  SampleLoss result;
  result.correct = best == label;
  result.loss = -std::log(std::max(p[target], least_probability));
  if (gradient == nullptr) return result;
  // dL/d logits; through a softmax that the network has itself, what becomes that.
  const auto put = [&](std::size_t i, double by_logit) {
    gradient[i] = static_cast<float>(
        plan.probabilities ? by_logit / std::max(p[i], least_probability) : by_logit);
  };
  if (labels == LabelSource::data) {
    for (std::size_t i = 0; i < p.size(); ++i) put(i, p[i] - (i == target ? 1.0 : 0.0));
    return result;
  }
  std::vector<float> uniform(p.size());
  photonics::fill_uniform(
      {settings.seed, photonics::NoiseDomain::learning, 0, static_cast<std::uint32_t>(sample), 0},
      0, uniform);
  const auto signed_root = [&](std::size_t i) {
    return uniform[i] < 0.5f ? -std::sqrt(p[i]) : std::sqrt(p[i]);
  };
  double projection = 0;
  for (std::size_t i = 0; i < p.size(); ++i) projection += signed_root(i);
  for (std::size_t i = 0; i < p.size(); ++i) put(i, signed_root(i) - p[i] * projection);
  return result;
}

void EnergyGradient::State::backward(Worker& worker, std::int64_t sample,
                                     const Program::PassSettings& settings, bool curvature,
                                     double* energies_of_sample) const {
  const SingleThread single;
  Program::State& state = ProgramAccess::state(*program);
  auto& lane = ProgramAccess::state(worker.lane);
  StepRun forward_run{lane.arena.get(),
                      state.memory.offsets,
                      lane.arguments,
                      lane.stream,
                      state.noise,
                      settings,
                      static_cast<std::uint32_t>(sample),
                      {}};
  BackwardRun run{forward_run, worker.arena.get(), plan.memory.offsets, worker.arguments,
                  slopes,      curvature,          energies_of_sample,  plan.first_energy};
  for (const auto& step : plan.steps) step->run(run);
}

GradientResult EnergyGradient::State::run(std::span<const std::int64_t> samples,
                                          const Program::PassSettings& settings, LabelSource labels,
                                          bool curvature, std::vector<double>* sums) {
  if (samples.empty()) throw ConfigError("learn: no samples. Give at least one.");
  GradientResult result;
  // Blocks bound the memory for the samples' own gradients.
  constexpr std::size_t block = 64;
  std::vector<double> own;
  std::vector<SampleLoss> losses(samples.size());
  for (std::size_t first = 0; first < samples.size(); first += block) {
    const std::size_t count = std::min(block, samples.size() - first);
    if (sums != nullptr) own.assign(count * plan.energies, 0.0);
    parallel_for(static_cast<std::int64_t>(count), threads, [&](std::int64_t i, int worker) {
      Worker& mine = workers[static_cast<std::size_t>(worker)];
      const auto at = first + static_cast<std::size_t>(i);
      float* gradient = nullptr;
      if (sums != nullptr) {
        const auto buffer = static_cast<std::size_t>(plan.output.place.buffer);
        gradient = reinterpret_cast<float*>(mine.arena.get() + plan.memory.offsets[buffer]) +
                   plan.output.place.offset;
      }
      losses[at] = forward(mine, samples[at], settings, labels, gradient);
      if (sums != nullptr) {
        backward(mine, samples[at], settings, curvature,
                 own.data() + static_cast<std::size_t>(i) * plan.energies);
      }
    });
    for (std::size_t i = 0; sums != nullptr && i < count; ++i) {
      for (std::size_t k = 0; k < plan.energies; ++k) (*sums)[k] += own[i * plan.energies + k];
    }
  }
  const auto count = static_cast<double>(samples.size());
  for (const SampleLoss& one : losses) {
    result.losses.push_back(one.loss);
    result.loss += one.loss / count;
    result.accuracy += one.correct ? 1 / count : 0;
  }
  passes += count * (sums != nullptr ? 1.0 : 1.0 / 3);
  return result;
}

std::vector<std::vector<double>> EnergyGradient::State::shaped(const std::vector<double>& sums,
                                                               double count,
                                                               bool by_channel) const {
  const auto& products = program->products();
  std::vector<std::vector<double>> result(products.size());
  for (std::size_t i = 0; i < products.size(); ++i) {
    const auto channels = products[i].kind == ProductKind::dynamic
                              ? std::size_t{1}
                              : static_cast<std::size_t>(products[i].channels);
    result[i].assign(by_channel ? channels : 1, 0.0);
    for (std::size_t c = 0; c < channels; ++c) {
      result[i][by_channel ? c : 0] += sums[plan.first_energy[i] + c] / count;
    }
  }
  return result;
}

EnergyGradient::EnergyGradient(Program& program, SampleSource source, photonics::Device device,
                               NoiseRequest law, int threads)
    : state_(std::make_unique<State>()) {
  Program::State& own = ProgramAccess::state(program);
  if (!own.gradients) {
    throw ConfigError(
        "gradients of a program that keeps no activations. Build it with "
        "ProgramOptions::gradients.");
  }
  state_->program = &program;
  state_->source = std::move(source);
  state_->device = std::move(device);
  state_->law = std::move(law);
  // Counts have no derivative; the Gaussian of the same variance has.
  state_->law.fidelity = Fidelity::analytic;
  state_->law.digital.resize(program.products().size(), false);
  state_->threads = std::max(threads, 1);
  const BackwardBuilder builder(own, state_->law.digital, state_->weight_noise(), state_->plan);
  for (int i = 0; i < state_->threads; ++i) state_->add_worker();
}
EnergyGradient::~EnergyGradient() = default;
EnergyGradient::EnergyGradient(EnergyGradient&&) noexcept = default;
EnergyGradient& EnergyGradient::operator=(EnergyGradient&&) noexcept = default;

const Program& EnergyGradient::program() const {
  return *state_->program;
}
const SampleSource& EnergyGradient::source() const {
  return state_->source;
}
const std::vector<bool>& EnergyGradient::digital() const {
  return state_->law.digital;
}
double EnergyGradient::passes() const {
  return state_->passes;
}

void EnergyGradient::set_points(const std::vector<ProductOperatingPoint>& points) {
  State& state = *state_;
  NoiseRequest request = state.law;
  request.points = points;
  std::vector<ProductNoise> noise = plan_noise(state.device, *state.program, request);
  std::vector<ProductNoise> below, above;
  const bool mixed = state.law.law == photonics::Law::homodyne;
  if (mixed) {
    request.points = scaled(points, std::exp(-log_step));
    below = plan_noise(state.device, *state.program, request);
    request.points = scaled(points, std::exp(log_step));
    above = plan_noise(state.device, *state.program, request);
  }
  // Of one model. Garg's and the counting law: every variance ~ 1/E. The homodyne law: a central
  // difference, or one to the side on which the dot products are cut into as many chunks.
  const auto derivative = [&](std::size_t product, std::size_t model) {
    const auto& own = noise[product].models[model];
    if (!mixed) return combine(own.variance, -1, {}, 0);
    const auto& low = below[product].models[model];
    const auto& high = above[product].models[model];
    const bool same_low = low.reads == own.reads;
    const bool same_high = high.reads == own.reads;
    if (same_low && !same_high) {
      return combine(own.variance, 1 / log_step, low.variance, -1 / log_step);
    }
    if (same_high && !same_low) {
      return combine(high.variance, 1 / log_step, own.variance, -1 / log_step);
    }
    return combine(high.variance, 0.5 / log_step, low.variance, -0.5 / log_step);
  };
  const auto& products = state.program->products();
  state.slopes.assign(products.size(), {});
  state.energies.assign(products.size(), {});
  for (std::size_t i = 0; i < products.size(); ++i) {
    for (const auto& point : points[i]) state.energies[i].push_back(point.photons_per_mac);
    if (noise[i].kind == NoiseKind::none) continue;
    NoiseSlopes& slopes = state.slopes[i];
    if (products[i].kind == ProductKind::dynamic) {
      slopes.dynamic = derivative(i, 0);
      continue;
    }
    for (std::size_t c = 0; c < static_cast<std::size_t>(products[i].channels); ++c) {
      const auto v = derivative(i, noise[i].models.size() == 1 ? 0 : c);
      const double norm = products[i].weight_norms[c];
      slopes.offset.push_back(static_cast<float>(v.constant + v.weight_norm * norm));
      slopes.slope.push_back(static_cast<float>(v.input_norm + v.norm_product * norm));
      slopes.signal.push_back(static_cast<float>(v.signal));
    }
  }
  state.program->set_noise(std::move(noise));
}

GradientResult EnergyGradient::run(std::span<const std::int64_t> samples, std::uint64_t seed,
                                   bool by_channel, LabelSource labels) {
  State& state = *state_;
  const Program::PassSettings settings{.noisy = true, .statistics = false, .seed = seed};
  if (state.weight_noise()) state.program->perturb_weights(seed);
  std::vector<double> sums(state.plan.energies, 0.0);
  GradientResult result = state.run(samples, settings, labels, false, &sums);
  result.by_log_energy = state.shaped(sums, static_cast<double>(samples.size()), by_channel);
  return result;
}

CurvatureResult EnergyGradient::curvature(std::span<const std::int64_t> samples, std::uint64_t seed,
                                          bool by_channel, bool noisy) {
  State& state = *state_;
  std::vector<double> sums(state.plan.energies, 0.0);
  CurvatureResult result;
  // Weight noise probes the curvature along one direction a draw: several are needed.
  constexpr std::size_t draws = 16;
  const std::size_t parts = state.weight_noise() ? std::min(draws, samples.size()) : 1;
  const auto total = static_cast<double>(samples.size());
  for (std::size_t part = 0; part < parts; ++part) {
    const std::size_t first = samples.size() * part / parts;
    const auto own = samples.subspan(first, samples.size() * (part + 1) / parts - first);
    const Program::PassSettings settings{.noisy = noisy, .statistics = false, .seed = seed + part};
    if (state.weight_noise()) {
      draw_weight_noise(ProgramAccess::state(*state.program), settings.seed, noisy);
    }
    const GradientResult pass = state.run(own, settings, LabelSource::model, true, &sums);
    const double share = static_cast<double>(own.size()) / std::max(total, 1.0);
    result.loss += share * pass.loss;
    result.accuracy += share * pass.accuracy;
  }
  // What was summed is the loss increase per unit of -ln E, that is c / E.
  const auto& products = state.program->products();
  for (std::size_t i = 0; i < products.size(); ++i) {
    const auto& energies = state.energies[i];
    for (std::size_t c = 0; c < static_cast<std::size_t>(products[i].channels); ++c) {
      if (products[i].kind == ProductKind::dynamic && c > 0) break;
      sums[state.plan.first_energy[i] + c] *= energies[energies.size() == 1 ? 0 : c];
    }
  }
  result.coefficients = state.shaped(sums, total, by_channel);
  return result;
}

GradientResult EnergyGradient::loss(std::span<const std::int64_t> samples, std::uint64_t seed,
                                    bool noisy) {
  State& state = *state_;
  const Program::PassSettings settings{.noisy = noisy, .statistics = false, .seed = seed};
  if (state.weight_noise()) {
    draw_weight_noise(ProgramAccess::state(*state.program), seed, noisy);
  }
  return state.run(samples, settings, LabelSource::data, false, nullptr);
}

}  // namespace attojoule::network
