#include "network/steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "network/activations.hpp"
#include "photonics/error.hpp"

namespace attojoule::network {
namespace {

// sums[c] += of squares of a column of w (depth x columns, strided).
void column_norms(const float* w, const Shape& strides, std::int64_t depth, std::int64_t columns,
                  float* norms) {
  if (strides[0] == 1) {  // stored transposed: a column is contiguous
    for (std::int64_t n = 0; n < columns; ++n) {
      sum_of_squares(w + n * strides[1], 1, 1, depth, norms + n);
    }
    return;
  }
  std::fill_n(norms, columns, 0.0f);
  for (std::int64_t k = 0; k < depth; ++k) {
    const float* row = w + k * strides[0];
    for (std::int64_t n = 0; n < columns; ++n) {
      const float value = row[n * strides[1]];
      norms[n] += value * value;
    }
  }
}

void count_values(const float* values, std::int64_t count, InputHistogram& histogram) {
  const double bins = static_cast<double>(histogram.counts.size());
  const double span = histogram.high - histogram.low;
  if (!(span > 0)) return;
  for (std::int64_t i = 0; i < count; ++i) {
    const double position = (values[i] - histogram.low) / span * bins;
    ++histogram.counts[static_cast<std::size_t>(std::clamp(position, 0.0, bins - 1))];
  }
}

// Range and, on request, histogram of a product's inputs.
void record_inputs(const StepRun& run, std::size_t product, const float* values,
                   std::int64_t count) {
  const auto [low, high] = std::minmax_element(values, values + count);
  run.records[product].input_low = *low;
  run.records[product].input_high = *high;
  if (run.settings.histograms != nullptr) {
    count_values(values, count, (*run.settings.histograms)[product]);
  }
}

// Counts operands outside [low, high] while statistics are taken.
void count_saturated(const StepRun& run, std::size_t product, const float* values,
                     std::int64_t count, float low, float high) {
  if (!run.settings.statistics || run.records.empty()) return;
  ProductRecord& record = run.records[product];
  record.operands += static_cast<double>(count);
  record.saturated += static_cast<double>(
      std::count_if(values, values + count, [=](float x) { return x < low || x > high; }));
}

// Beyond the range of a quantiser: what does not round to one of its values.
void count_saturated(const StepRun& run, std::size_t product, const float* values,
                     std::int64_t count, const Quantiser& q) {
  const auto edge = [&](double code) {
    return static_cast<float>((code - q.zero_point) * static_cast<double>(q.scale));
  };
  count_saturated(run, product, values, count, edge(-0.5), edge(q.highest + 0.5));
}

// Sums of y^2 and sigma^2, and the range of y, for the reports.
void record_outputs(const NoisePass& pass, ProductRecord& record, bool first) {
  double low = first ? std::numeric_limits<double>::infinity() : record.output_low;
  double high = first ? -std::numeric_limits<double>::infinity() : record.output_high;
  for (std::int64_t p = 0; p < pass.positions; ++p) {
    for (std::int64_t c = 0; c < pass.channels; ++c) {
      const double y = accumulated(pass, p, c);
      const double norm = pass.norms[pass.norm_per_channel ? p * pass.channels + c : p];
      record.signal += y * y;
      record.variance +=
          pass.variance_offset[c] + pass.variance_slope[c] * norm + pass.signal[c] * y * y;
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  record.output_low = low;
  record.output_high = high;
}

// Variance of photon counting: (K_W S / (n D))^2 lambda.
void record_counts(const NoisePass& pass, const float* photons, float weight_low, float weight_span,
                   ProductRecord& record) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (std::int64_t p = 0; p < pass.positions; ++p) {
    for (std::int64_t c = 0; c < pass.channels; ++c) {
      const double y = accumulated(pass, p, c);
      const double sum = pass.norms[pass.norm_per_channel ? p * pass.channels + c : p];
      record.signal += y * y;
      const double relative = sum > 0 ? (y - weight_low * sum) / (weight_span * sum) : 0;
      record.variance +=
          weight_span * sum * weight_span * sum * std::max(relative, 0.0) / photons[c];
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  record.output_low = low;
  record.output_high = high;
}

// Noise of counted photoelectrons with the constants of every channel.
void count_photoelectrons(const NoisePass& pass, const CompiledNoise& noise, const float* light,
                          const float* gain) {
  DiodeCounts diodes = noise.diodes;
  diodes.light = light;
  diodes.gain = gain;
  apply_photoelectron_counting(pass, diodes);
}

// Photons that depend on the inputs: the sum over outputs of (photons per |x|^2) |x|^2.
double input_photons(const NoisePass& pass, const CompiledNoise& noise) {
  const auto groups = static_cast<std::int64_t>(noise.photons_per_input_norm.size());
  const std::int64_t per_group = pass.channels / groups;
  double photons = 0;
  for (std::int64_t p = 0; p < pass.positions; ++p) {
    for (std::int64_t g = 0; g < groups; ++g) {
      const float norm = pass.norms[pass.norm_per_channel ? p * pass.channels + g * per_group : p];
      photons += norm * noise.photons_per_input_norm[static_cast<std::size_t>(g)];
    }
  }
  return photons;
}

// From one number per position and group to one per position and channel.
template <class Number>
void expand_groups(const Number* sums, const ProductStep::Layout& l, Number* expanded) {
  const std::int64_t per_group = l.channels / l.groups;
  for (std::int64_t p = 0; p < l.positions; ++p) {
    for (std::int64_t c = 0; c < l.channels; ++c) {
      expanded[p * l.channels + c] = sums[p * l.groups + c / per_group];
    }
  }
}

}  // namespace

void CopyStep::run(StepRun& run) const {
  copy_strided(run.read(from_.place), from_.strides, run.at(to_.place), to_.strides, to_.shape);
}

void FillStep::run(StepRun& run) const {
  std::fill_n(run.at(to_), count_, value_);
}

void BinaryStep::run(StepRun& run) const {
  apply_binary(operation_, run.read(a_.place), a_.strides, run.read(b_.place), b_.strides,
               run.at(out_.place), out_.strides, out_.shape);
}

void ErfStep::run(StepRun& run) const {
  error_function(run.read(from_), count_, run.at(to_));
}

void GeluStep::run(StepRun& run) const {
  gelu(run.read(from_), count_, run.at(to_));
}

namespace {
[[noreturn]] void report_fused_gradient() {
  throw std::logic_error("network/lowering.cpp fused nodes of a program with gradients");
}
}  // namespace
void GeluStep::differentiate(BackwardBuilder&) const {
  report_fused_gradient();
}
void GeluStep::mark_active(BackwardBuilder&) const {
  report_fused_gradient();
}

void GatherRowsStep::run(StepRun& run) const {
  const float* table = run.read(table_);
  const float* indices = run.read(indices_);
  float* out = run.at(out_);
  for (std::int64_t i = 0; i < count_; ++i) {
    // Compared as it is: a computed index may be no number at all.
    const auto rows = static_cast<double>(rows_);
    const auto index = static_cast<double>(indices[i]);
    if (!(index > -rows - 1 && index < rows)) {
      throw DataError(
          fmt::format("sample {}: {}: index {} of a table of {} rows. Use the data set "
                      "(vocabulary) that the network was trained for.",
                      run.sample, what_, indices[i], rows_));
    }
    const auto position = static_cast<std::int64_t>(index);
    const std::int64_t row = position < 0 ? position + rows_ : position;
    std::copy_n(table + row * row_size_, row_size_, out + i * row_size_);
  }
}

void FakeQuantiseStep::run(StepRun& run) const {
  count_saturated(run, product_, run.read(from_), count_, quantiser_);
  fake_quantise(quantiser_, run.read(from_), count_, run.at(to_));
}

float LimitStep::reach(const StepRun& run) const {
  constexpr float unlimited = std::numeric_limits<float>::infinity();
  const bool clips = run.settings.noisy || (run.settings.statistics && !run.records.empty());
  if (!clips || run.noise.empty()) return unlimited;
  const CompiledNoise& noise = run.noise[product_];
  const float full_scale =
      operand_ == Operand::input ? noise.input_full_scale : noise.weight_full_scale;
  return noise.kind != NoiseKind::none && full_scale > 0 ? full_scale : unlimited;
}

void LimitStep::run(StepRun& run) const {
  const float* from = run.read(from_);
  float* to = run.at(to_);
  const float limit = reach(run);
  if (std::isinf(limit)) {
    std::copy_n(from, count_, to);
    return;
  }
  count_saturated(run, product_, from, count_, -limit, limit);
  std::transform(from, from + count_, to,
                 [limit](float x) { return std::clamp(x, -limit, limit); });
}

void QuantiseStep::run(StepRun& run) const {
  const WindowGeometry& g = window_;
  const std::int64_t image = g.input[0] * g.input[1] * g.channels;
  count_saturated(run, product_, run.read(from_), batch_ * image, quantiser_);
  const std::int64_t padded = (g.input[0] + g.pad_begin[0] + g.pad_end[0]) *
                              (g.input[1] + g.pad_begin[1] + g.pad_end[1]) * g.channels;
  auto* codes = reinterpret_cast<std::uint8_t*>(run.at(to_));
  for (std::int64_t n = 0; n < batch_; ++n) {
    quantise_padded(quantiser_, run.read(from_) + n * image, g, codes + n * padded);
  }
}

void PlainStep::run(StepRun& run) const {
  std::vector<DoubleTensor> held(inputs_.size());
  InputTensors inputs;
  for (std::size_t i = 0; i < inputs_.size(); ++i) {
    if (!inputs_[i].place.exists()) {
      inputs.push_back(nullptr);
      continue;
    }
    const float* from = run.read(inputs_[i].place);
    held[i].type = graph_->value(node_.inputs[i]).type;
    held[i].shape = inputs_[i].shape;
    held[i].values.assign(from, from + element_count(inputs_[i].shape));
    inputs.push_back(&held[i]);
  }
  const auto outputs = evaluate(*graph_, node_, inputs);
  for (std::size_t i = 0; i < outputs_.size(); ++i) {
    if (!outputs_[i].place.exists()) continue;
    std::transform(outputs[i].values.begin(), outputs[i].values.end(), run.at(outputs_[i].place),
                   [](double value) { return static_cast<float>(value); });
  }
}

const float* ProductStep::reduce_inputs(StepRun& run, bool squares) const {
  const Layout& l = layout_;
  const float* input = run.read(l.input);
  float* norms = run.at(l.norms);
  const auto reduce = squares ? sum_of_squares : sum_of_values;
  if (!l.windowed) {
    reduce(input, l.positions, l.groups, l.depth, norms, 1);
  } else {
    const WindowGeometry& g = l.window;
    const std::int64_t in_positions = g.input[0] * g.input[1];
    // Windows of one position, some of them left out: nothing to sum over, nothing to read twice.
    const bool points = g.kernel[0] * g.kernel[1] == 1 && l.groups == 1 &&
                        (g.output[0] - 1) * g.stride[0] < g.input[0] &&
                        (g.output[1] - 1) * g.stride[1] < g.input[1] && g.pad_begin[0] == 0 &&
                        g.pad_begin[1] == 0;
    for (std::int64_t n = 0; n < l.batch; ++n) {
      if (points) {
        for (std::int64_t y = 0; y < g.output[0]; ++y) {
          const std::int64_t first = n * in_positions + y * g.stride[0] * g.input[1];
          reduce(input + first * g.channels, g.output[1], 1, l.depth,
                 norms + n * g.positions() + y * g.output[1], g.stride[1]);
        }
        continue;
      }
      float* map = run.at(l.map);
      if (squares && l.depth == 1) {
        window_squares(input + n * in_positions * g.channels, g, l.groups, map,
                       norms + n * g.positions() * l.groups);
        continue;
      }
      reduce(input + n * in_positions * g.channels, in_positions, l.groups, l.depth, map, 1);
      window_sum(map, g, l.groups, run.at(l.scratch), norms + n * g.positions() * l.groups);
    }
  }
  if (l.groups == 1 || l.groups == l.channels) return norms;
  float* expanded = run.at(l.channel_norms);
  expand_groups<float>(norms, l, expanded);
  return expanded;
}

const float* ProductStep::reduce_codes(StepRun& run, bool squares, NoisePass& pass) const {
  const Layout& l = layout_;
  const auto* codes = reinterpret_cast<const std::uint8_t*>(run.at(l.codes));
  const auto integers = [&](const Place& place) {
    return reinterpret_cast<std::int32_t*>(run.at(place));
  };
  std::int32_t* sums = integers(l.norms);
  std::int32_t* square_sums = integers(l.squares);
  if (!l.windowed) {
    code_sums(codes, l.quantiser.zero_point, l.positions, l.groups, l.depth, sums, square_sums);
  } else {
    const WindowGeometry& g = l.window;
    const std::int64_t in_positions = g.input[0] * g.input[1];
    for (std::int64_t n = 0; n < l.batch; ++n) {
      code_sums(codes + n * in_positions * g.channels, l.quantiser.zero_point, in_positions,
                l.groups, l.depth, integers(l.map), integers(l.square_map));
      const std::int64_t out = n * g.positions() * l.groups;
      window_sum(integers(l.map), g, l.groups, integers(l.scratch), sums + out);
      window_sum(integers(l.square_map), g, l.groups, integers(l.scratch), square_sums + out);
    }
  }
  std::int64_t count = l.positions * l.groups;
  if (l.groups != 1 && l.groups != l.channels) {
    expand_groups(sums, l, integers(l.channel_norms));
    expand_groups(square_sums, l, integers(l.channel_squares));
    sums = integers(l.channel_norms);
    square_sums = integers(l.channel_squares);
    count = l.positions * l.channels;
  }
  pass.integers.input_sums = sums;
  // Exact sums become float norms in place; sums of values are needed as integers, too, so that
  // photon counting takes them from the squares' array.
  auto* norms = reinterpret_cast<float*>(square_sums);
  const float scale = l.quantiser.scale;
  for (std::int64_t i = 0; i < count; ++i) {
    norms[i] = squares ? static_cast<float>(square_sums[i]) * scale * scale
                       : static_cast<float>(sums[i]) * scale;
  }
  return norms;
}

void ProductStep::run_raw(StepRun& run) const {
  if (layout_.forward_tiles != nullptr) {
    const WindowGeometry& g = layout_.window;
    const std::int64_t from = g.input[0] * g.input[1] * g.channels;
    const std::int64_t to = g.positions() * layout_.channels;
    for (std::int64_t n = 0; n < layout_.batch; ++n) {
      winograd_convolution(*layout_.forward_tiles, {g.input, g.pad_begin, g.output},
                           run.read(layout_.input) + n * from, run.at(layout_.tiles_room),
                           run.at(layout_.raw) + n * to);
    }
  } else {
    raw_->run(run);
  }
}

void ProductStep::run(StepRun& run) const {
  const Layout& l = layout_;
  const CompiledNoise* noise = run.noise.empty() ? nullptr : &run.noise[l.product];
  const bool has_noise = noise != nullptr && noise->kind != NoiseKind::none;
  const bool noisy = run.settings.noisy && has_noise;
  const bool statistics = run.settings.statistics && !run.records.empty();
  ProductRecord* record = run.records.empty() ? nullptr : &run.records[l.product];
  if (!noisy && !statistics && clean_ != nullptr) {
    clean_->run(run);
    return;
  }
  const bool counting = has_noise && noise->kind == NoiseKind::photon_counting;
  const float* input = run.read(l.input);
  if (statistics) {
    record_inputs(run, l.product, input, l.input_count);
  }
  if (counting && (noisy || statistics)) {
    const float low = *std::min_element(input, input + l.input_count);
    if (low < 0) {
      throw DataError(
          fmt::format("sample {}: {}: input {} is negative (light intensity carries the inputs "
                      "under 'law: counting'). Keep the node digital (digital_layers: [{}]) or use "
                      "the homodyne law.",
                      run.sample, l.what, low, l.what));
    }
  }
  NoisePass pass;
  pass.positions = l.positions;
  pass.channels = l.channels;
  pass.norm_per_channel = l.groups != 1;
  pass.output = run.at(l.output);
  if (epilogue_.bias.exists()) pass.bias = run.read(epilogue_.bias);
  if (epilogue_.residual) pass.residual = pass.output;
  if (epilogue_.summand.exists()) pass.residual = run.read(epilogue_.summand);
  pass.low = epilogue_.low;
  pass.high = epilogue_.high;
  if (l.integer) {
    pass.integers.sums = reinterpret_cast<const std::int32_t*>(run.at(l.raw));
    pass.integers.scale = l.scale;
    pass.integers.shift = l.shift;
    pass.integers.weight_zero = l.weight_zero;
    pass.norms = reduce_codes(run, !counting, pass);
  } else {
    pass.accumulator = run.at(l.raw);
    if (raw_ == nullptr && !noisy && !statistics) {  // Winograd's, clean
      run_raw(run);
      apply_epilogue(pass);
      return;
    }
    if (has_noise || statistics) pass.norms = reduce_inputs(run, !counting);
  }
  if (record != nullptr && has_noise) {
    record->photons = noise->fixed_photons;
    if (!noise->photons_per_input_norm.empty()) record->photons += input_photons(pass, *noise);
    record->photons_detected = record->photons * noise->quantum_efficiency;
  }
  run_raw(run);
  if (has_noise) {
    pass.variance_offset = noise->offset.data();
    pass.variance_slope = noise->slope.data();
    pass.deviation_slope = noise->deviation.data();
    pass.signal = noise->signal.data();
    pass.has_offset = noise->has_offset;
  }
  pass.stream = {
      run.settings.seed,
      counting ? photonics::NoiseDomain::photon_count : photonics::NoiseDomain::detection,
      static_cast<std::uint32_t>(l.product), run.sample, 0};
  const bool diodes = has_noise && noise->kind == NoiseKind::photoelectron_counting;
  if (statistics && has_noise) {
    NoisePass whole = pass;
    if (diodes) {
      whole.variance_offset = noise->total_offset.data();
      whole.variance_slope = noise->total_slope.data();
      whole.signal = noise->total_signal.data();
    }
    counting
        ? record_counts(pass, noise->photons.data(), noise->weight_low, noise->weight_span, *record)
        : record_outputs(whole, *record, true);
  }
  if (!noisy) {
    clean_ == nullptr ? apply_epilogue(pass) : clean_->run(run);
  } else if (counting) {
    const CountedLight light =
        apply_photon_counting(pass, noise->photons.data(), noise->weight_low, noise->weight_span);
    if (record != nullptr) {
      record->photons_detected = light.photons;
      record->transmission = light.transmission / static_cast<double>(l.positions * l.channels);
    }
  } else if (diodes) {
    count_photoelectrons(pass, *noise, noise->light.data(), noise->gain.data());
  } else if (noise->kind == NoiseKind::rounding) {
    apply_rounding(pass, noise->rounding_low, noise->rounding_step);
  } else {
    if (l.keeps_noise) pass.error = run.at(l.raw);
    apply_gaussian_noise(pass);
  }
}

void DynamicProductStep::run(StepRun& run) const {
  const Layout& l = layout_;
  call_->run(run);
  const CompiledNoise* noise = run.noise.empty() ? nullptr : &run.noise[l.product];
  const bool has_noise = noise != nullptr && noise->kind != NoiseKind::none;
  const bool diodes = has_noise && noise->kind == NoiseKind::photoelectron_counting;
  const bool noisy = run.settings.noisy && has_noise;
  const bool statistics = run.settings.statistics && !run.records.empty();
  const bool apart = l.raw.buffer != l.output.buffer;
  if (apart && !noisy) {
    std::copy_n(run.at(l.raw), l.batch * l.rows * l.columns, run.at(l.output));
  }
  if (!noisy && !statistics) return;
  ProductRecord* record = run.records.empty() ? nullptr : &run.records[l.product];
  const float* x = run.read(l.x.place);
  const float* w = run.read(l.w.place);
  float* row_norms = run.at(l.row_norms);
  float* w_norms = run.at(l.column_norms);
  float* offset = run.at(l.offset);
  float* slope = run.at(l.slope);
  float* signal = run.at(l.signal);
  float* light = run.at(l.light);
  float* gain = run.at(l.gain);
  const Shape w_strides{l.w.strides[1], l.w.strides[2]};
  const std::int64_t x_size = l.rows * l.depth;
  if (statistics) {
    record_inputs(run, l.product, x, l.batch * x_size);
  }
  for (std::int64_t b = 0; b < l.batch; ++b) {
    const float* matrix = w + b * l.w.strides[0];
    sum_of_squares(x + b * x_size, l.rows, 1, l.depth, row_norms);
    column_norms(matrix, w_strides, l.depth, l.columns, w_norms);
    if (record != nullptr && has_noise) {
      const auto& bill = noise->photon_coefficients;
      double x_norms = 0;
      double w_norms_sum = 0;
      for (std::int64_t i = 0; i < l.rows; ++i) x_norms += row_norms[i];
      for (std::int64_t i = 0; i < l.columns; ++i) w_norms_sum += w_norms[i];
      const auto rows = static_cast<double>(l.rows);
      const auto columns = static_cast<double>(l.columns);
      record->photons += bill.constant * rows * columns + bill.per_input_norm * columns * x_norms +
                         bill.per_weight_norm * rows * w_norms_sum;
      record->photons_detected = record->photons * noise->quantum_efficiency;
    }
    if (statistics) {
      for (std::int64_t k = 0; k < l.depth; ++k) {
        for (std::int64_t n = 0; n < l.columns; ++n) {
          record->weight_absolute_maximum =
              std::max(record->weight_absolute_maximum,
                       std::abs(static_cast<double>(matrix[k * w_strides[0] + n * w_strides[1]])));
        }
      }
    }
    if (!has_noise) continue;
    const auto set_variance = [&](const photonics::VarianceCoefficients& c) {
      for (std::int64_t n = 0; n < l.columns; ++n) {
        offset[n] = static_cast<float>(c.constant + c.weight_norm * w_norms[n]);
        slope[n] = static_cast<float>(c.input_norm + c.norm_product * w_norms[n]);
        signal[n] = static_cast<float>(c.signal);
      }
    };
    set_variance(noise->coefficients);
    NoisePass pass;
    pass.positions = l.rows;
    pass.channels = l.columns;
    pass.accumulator = run.at(l.raw) + b * l.rows * l.columns;
    pass.output = run.at(l.output) + b * l.rows * l.columns;
    pass.norms = row_norms;
    pass.variance_offset = offset;
    pass.variance_slope = slope;
    pass.signal = signal;
    pass.has_offset = noise->has_offset;
    pass.stream = {run.settings.seed, photonics::NoiseDomain::detection,
                   static_cast<std::uint32_t>(l.product), run.sample, 0};
    pass.first_element = static_cast<std::uint64_t>(b * l.rows * l.columns);
    if (statistics) record_outputs(pass, *record, b == 0);
    if (noisy && diodes) {
      const auto& law = noise->diode_law;
      set_variance(law.residual);
      for (std::int64_t n = 0; n < l.columns; ++n) {
        const double norm = w_norms[n];
        light[n] = static_cast<float>(law.light_constant + law.light_per_weight_norm * norm);
        gain[n] = static_cast<float>(channel_gain(law, norm));
      }
      count_photoelectrons(pass, *noise, light, gain);
    } else if (noisy && noise->kind == NoiseKind::rounding) {
      apply_rounding(pass, noise->rounding_low, noise->rounding_step);
    } else if (noisy) {
      apply_gaussian_noise(pass);
    }
  }
}

}  // namespace attojoule::network
