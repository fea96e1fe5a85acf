#include "network/program.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include "network/single_thread.hpp"
#include "network/steps.hpp"
#include "photonics/error.hpp"
#include "photonics/random.hpp"

namespace attojoule::network {

const char* to_string(ProductKind kind) {
  switch (kind) {
    case ProductKind::conv:
      return "conv";
    case ProductKind::depthwise:
      return "depthwise";
    case ProductKind::grouped:
      return "grouped";
    case ProductKind::dense:
      return "dense";
    case ProductKind::dynamic:
      return "dynamic";
  }
  return "unknown";
}

namespace {

// Counts of the two diodes: what every channel's outputs have in common.
void compile_diodes(const ProductNoise& noise, const MatrixProduct& product,
                    CompiledNoise& result) {
  if (noise.counts.size() != noise.models.size()) {
    throw ConfigError(fmt::format("{}: {} count laws for {} noise models. Give one for each.",
                                  product.name, noise.counts.size(), noise.models.size()));
  }
  const photonics::HomodyneCounts& first = noise.counts[0];
  result.diode_law = first;
  result.diodes.dark = static_cast<float>(first.dark);
  result.diodes.light_per_input_norm = static_cast<float>(first.light_per_input_norm);
  result.diodes.normalised = first.encoding == photonics::Encoding::normalised;
  result.diodes.imbalance = static_cast<float>(first.imbalance);
  result.diodes.norm_scale = static_cast<float>(first.norm_scale);
  result.diodes.norm_offset = static_cast<float>(first.input_norm_offset);
  result.diodes.offset_per_input_norm = static_cast<float>(first.offset_per_input_norm);
  // Light and offset of a channel are both linear in its squared norm (full scale), or both in its
  // photons (normalised).
  const double per_light = first.light_per_weight_norm > 0
                               ? first.offset_per_weight_norm / first.light_per_weight_norm
                               : first.offset_constant / first.light_constant;
  result.diodes.offset_per_light = static_cast<float>(per_light);
  const double shift = first.offset_constant - per_light * first.light_constant;
  result.diodes.offset_shift = static_cast<float>(shift);
  for (const auto& law : noise.counts) {
    result.diodes.has_residual = result.diodes.has_residual || !law.residual.is_zero();
    if (law.dark != first.dark || law.light_per_input_norm != first.light_per_input_norm) {
      throw ConfigError(
          fmt::format("{}: channels of different dark counts or input light. Channels "
                      "may differ under fidelity: analytic.",
                      product.name));
    }
  }
  for (std::size_t c = 0; c < product.weight_norms.size(); ++c) {
    const auto& law = noise.counts[noise.counts.size() == 1 ? 0 : c];
    const double norm = product.weight_norms[c];
    result.light.push_back(
        static_cast<float>(law.light_constant + law.light_per_weight_norm * norm));
    result.gain.push_back(static_cast<float>(channel_gain(law, norm)));
  }
}

}  // namespace

AlignedBlock allocate_aligned(std::size_t bytes) {
  return AlignedBlock(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{64})));
}

Program::Lane::Lane(std::unique_ptr<State> state) : state_(std::move(state)) {}
Program::Lane::~Lane() = default;
Program::Lane::Lane(Lane&&) noexcept = default;
std::span<float> Program::Lane::input(std::size_t index) {
  return state_->inputs.at(index);
}

Program::Program(Graph graph, const ProgramOptions& options) : state_(std::make_unique<State>()) {
  state_->clips_operands = options.limits_operands || options.quantisation.activation_bits > 0;
  const std::string name = graph.name;
  try {
    lower(std::move(graph), options, *state_);
  } catch (const dnnl::error& error) {
    throw DataError(fmt::format("{}: oneDNN cannot run this network: {}. Report the model.", name,
                                error.what()));
  }
}
Program::~Program() = default;
Program::Program(Program&&) noexcept = default;
Program& Program::operator=(Program&&) noexcept = default;

const std::vector<MatrixProduct>& Program::products() const {
  return state_->products;
}
const std::vector<DigitalOperation>& Program::digital_operations() const {
  return state_->digital;
}

std::vector<Shape> Program::input_shapes() const {
  std::vector<Shape> shapes;
  for (const View& view : state_->inputs) shapes.push_back(view.shape);
  return shapes;
}

std::int64_t Program::output_size() const {
  return element_count(state_->output.shape);
}
std::size_t Program::arena_bytes() const {
  return state_->memory.total;
}
std::size_t Program::weight_bytes() const {
  return state_->weight_bytes;
}
int Program::integer_products() const {
  return state_->integer_products;
}
int Program::winograd_products() const {
  return state_->winograd_products;
}

Program::Lane Program::make_lane() const {
  auto lane = std::make_unique<Lane::State>();
  lane->arena = allocate_aligned(std::max<std::size_t>(state_->memory.total, 64));
  lane->stream = dnnl::stream(state_->engine);
  auto* arena = lane->arena.get();
  const auto at = [&](const Place& place) {
    if (place.constant != nullptr) return const_cast<float*>(place.constant + place.offset);
    const std::size_t offset = state_->memory.offsets[static_cast<std::size_t>(place.buffer)];
    return reinterpret_cast<float*>(arena + offset) + place.offset;
  };
  for (const auto& call : state_->calls) {
    std::unordered_map<int, dnnl::memory> arguments;
    for (const auto& argument : call->arguments) {
      arguments.emplace(argument.name,
                        dnnl::memory(argument.desc, state_->engine, at(argument.place)));
    }
    for (const auto& [name, memory] : call->shared) arguments.emplace(name, memory);
    lane->arguments.push_back(std::move(arguments));
  }
  for (const View& view : state_->inputs) {
    lane->inputs.emplace_back(at(view.place), static_cast<std::size_t>(element_count(view.shape)));
  }
  return Lane(std::move(lane));
}

std::span<const float> Program::run(Lane& lane, std::uint32_t sample, const PassSettings& settings,
                                    std::span<ProductRecord> records) const {
  const SingleThread single;
  auto& own = *lane.state_;
  StepRun run{own.arena.get(), state_->memory.offsets,
              own.arguments,   own.stream,
              state_->noise,   settings,
              sample,          records};
  for (const auto& step : state_->steps) step->run(run);
  const View& output = state_->output;
  return {run.read(output.place), static_cast<std::size_t>(element_count(output.shape))};
}

void Program::set_noise(std::vector<ProductNoise> noise) {
  std::vector<CompiledNoise> compiled;
  if (!noise.empty() && noise.size() != products().size()) {
    throw ConfigError(fmt::format("noise of {} products for a network of {}. Give one for each.",
                                  noise.size(), products().size()));
  }
  for (std::size_t i = 0; i < noise.size(); ++i) {
    const MatrixProduct& product = products()[i];
    const auto& models = noise[i].models;
    CompiledNoise& result = compiled.emplace_back();
    result.kind = noise[i].kind;
    result.input_full_scale = static_cast<float>(noise[i].input_full_scale);
    result.weight_full_scale = static_cast<float>(noise[i].weight_full_scale);
    if (result.kind == NoiseKind::none) continue;
    if ((result.input_full_scale > 0 || result.weight_full_scale > 0) && !state_->clips_operands) {
      throw ConfigError(
          fmt::format("{}: operands have a full scale of {}, which this program does not clip at. "
                      "Build it with ProgramOptions::limits_operands.",
                      product.name, std::max(result.input_full_scale, result.weight_full_scale)));
    }
    if (result.kind == NoiseKind::rounding) {
      result.rounding_low = static_cast<float>(noise[i].rounding_low);
      result.rounding_step = static_cast<float>(noise[i].rounding_step);
      continue;
    }
    result.quantum_efficiency = models.empty() ? 1.0 : models[0].quantum_efficiency;
    const bool dynamic = product.kind == ProductKind::dynamic;
    const auto channels = static_cast<std::size_t>(product.channels);
    if (models.size() != 1 && (dynamic || models.size() != channels)) {
      throw ConfigError(
          fmt::format("{}: {} noise models for {} output channels. Give one, or one "
                      "for each{}.",
                      product.name, models.size(), channels,
                      dynamic ? " (a product of two computed operands takes one)" : ""));
    }
    if (dynamic) {
      result.photon_coefficients = models[0].photons;
    } else {
      const std::size_t per_group = channels / static_cast<std::size_t>(product.groups);
      std::vector<double> per_norm(static_cast<std::size_t>(product.groups), 0.0);
      bool by_input = false;
      for (std::size_t c = 0; c < channels; ++c) {
        const auto& light = models[models.size() == 1 ? 0 : c].photons;
        result.fixed_photons += static_cast<double>(product.positions) *
                                (light.constant + light.per_weight_norm * product.weight_norms[c]);
        per_norm[c / per_group] += light.per_input_norm;
        by_input = by_input || light.per_input_norm != 0;
      }
      if (by_input) result.photons_per_input_norm = std::move(per_norm);
    }
    if (result.kind == NoiseKind::photon_counting) {
      if (dynamic) {
        throw ConfigError(fmt::format(
            "{}: photon counting of a product of two computed operands (the law needs weights "
            "fixed beforehand). Keep the node digital (digital_layers: [{}]).",
            product.name, product.name));
      }
      result.weight_low = static_cast<float>(product.weight_low);
      result.weight_span = static_cast<float>(product.weight_high - product.weight_low);
      if (!(result.weight_span > 0)) {
        throw ConfigError(
            fmt::format("{}: all weights are {} (photon counting scales them by "
                        "their range). Keep the node digital (digital_layers: [{}]).",
                        product.name, product.weight_low, product.name));
      }
      for (std::size_t c = 0; c < channels; ++c) {
        const auto& model = models[models.size() == 1 ? 0 : c];
        result.photons.push_back(
            static_cast<float>(model.photons_per_multiplication * model.quantum_efficiency *
                               static_cast<double>(product.dot_length)));
      }
      result.offset.assign(channels, 0.0f);
      result.slope.assign(channels, 0.0f);
      result.signal.assign(channels, 0.0f);
      continue;
    }
    const bool diodes = result.kind == NoiseKind::photoelectron_counting;
    if (diodes) compile_diodes(noise[i], product, result);
    bool all_zero = true;
    for (std::size_t k = 0; k < models.size(); ++k) {
      const auto& v = models[k].variance;
      all_zero = all_zero && v.is_zero();
      result.has_offset =
          result.has_offset || v.constant != 0 || v.weight_norm != 0 || v.signal != 0;
    }
    if (dynamic) {
      result.coefficients = models[0].variance;
    } else {
      for (std::size_t c = 0; c < channels; ++c) {
        const std::size_t k = models.size() == 1 ? 0 : c;
        const double norm = product.weight_norms[c];
        const auto add = [norm](const photonics::VarianceCoefficients& v,
                                std::vector<float>& offset, std::vector<float>& slope,
                                std::vector<float>& signal) {
          offset.push_back(static_cast<float>(v.constant + v.weight_norm * norm));
          slope.push_back(static_cast<float>(v.input_norm + v.norm_product * norm));
          signal.push_back(static_cast<float>(v.signal));
        };
        if (diodes) {
          add(noise[i].counts[k].residual, result.offset, result.slope, result.signal);
          add(models[k].variance, result.total_offset, result.total_slope, result.total_signal);
        } else {
          add(models[k].variance, result.offset, result.slope, result.signal);
        }
        result.deviation.push_back(std::sqrt(result.slope.back()));
      }
    }
    if (all_zero) result.kind = NoiseKind::none;
  }
  state_->models = std::move(noise);
  state_->noise = std::move(compiled);
}

void draw_weight_noise(Program::State& state, std::uint64_t seed, bool apply) {
  const SingleThread single;
  dnnl::stream stream(state.engine);
  std::vector<float> perturbed;
  std::vector<float> normal;
  for (std::size_t i = 0; i < state.weights.size(); ++i) {
    static const std::vector<photonics::NoiseModel> digital;
    const auto& models = i < state.models.size() ? state.models[i].models : digital;
    auto& held = state.weights[i];
    const bool asked = std::any_of(models.begin(), models.end(),
                                   [](const auto& model) { return model.weight_noise > 0; });
    if (!asked && !held.perturbed) continue;
    if (held.original.empty()) {
      throw RunError(
          fmt::format("{}: weight noise on a product whose weights were not kept. Build "
                      "the program with keep_weights.",
                      state.products[i].name));
    }
    perturbed = held.original;
    normal.resize(perturbed.size());
    photonics::fill_normal(
        {seed, photonics::NoiseDomain::weight_read, static_cast<std::uint32_t>(i), 0, 0}, 0,
        normal);
    const std::int64_t depth = static_cast<std::int64_t>(perturbed.size()) / held.channels;
    for (std::int64_t c = 0; asked && c < held.channels; ++c) {
      const auto sigma = static_cast<float>(
          models[models.size() == 1 ? 0 : static_cast<std::size_t>(c)].weight_noise);
      for (std::int64_t k = 0; k < depth; ++k) {
        const auto at = static_cast<std::size_t>(c * held.channel_stride + k * held.depth_stride);
        perturbed[at] += sigma * normal[at];
      }
    }
    const auto spread = [&](const dnnl::memory::desc& layout, dnnl::memory& target) {
      dnnl::memory source(layout, state.engine, perturbed.data());
      dnnl::reorder(source, target).execute(stream, source, target);
      stream.wait();
    };
    if (held.noise) {
      std::vector<float> whole = perturbed;
      for (std::size_t k = 0; k < whole.size(); ++k) perturbed[k] -= held.original[k];
      spread(held.plain, held.noise);
      perturbed = apply ? std::move(whole) : held.original;
    }
    for (dnnl::memory& target : held.targets) spread(held.plain, target);
    for (auto& tiles : held.tiles) {
      transform_winograd_weights(perturbed.data(), tiles.backward, *tiles.weights);
    }
    for (dnnl::memory& target : held.swapped_targets) {
      spread(held.plain.permute_axes({1, 0}), target);
    }
    held.perturbed = asked && apply;
  }
}

void Program::perturb_weights(std::uint64_t seed) {
  draw_weight_noise(*state_, seed, true);
}

}  // namespace attojoule::network
