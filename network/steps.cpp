#include "network/steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "network/noise_pass.hpp"
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

// Sums of y^2 and sigma^2, and the range of y, for the reports.
void record_outputs(const NoisePass& pass, ProductRecord& record, bool first) {
  double low = first ? std::numeric_limits<double>::infinity() : record.output_low;
  double high = first ? -std::numeric_limits<double>::infinity() : record.output_high;
  for (std::int64_t p = 0; p < pass.positions; ++p) {
    for (std::int64_t c = 0; c < pass.channels; ++c) {
      const double y = pass.accumulator[p * pass.channels + c];
      const double norm = pass.norms[pass.norm_per_channel ? p * pass.channels + c : p];
      record.signal += y * y;
      record.variance += pass.variance_offset[c] + pass.variance_slope[c] * norm +
                         pass.signal[c] * y * y;
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  record.output_low = low;
  record.output_high = high;
}

// Variance of photon counting: (K_W S / (n D))^2 lambda.
void record_counts(const NoisePass& pass, const float* photons, float weight_low,
                   float weight_span, ProductRecord& record) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (std::int64_t p = 0; p < pass.positions; ++p) {
    for (std::int64_t c = 0; c < pass.channels; ++c) {
      const double y = pass.accumulator[p * pass.channels + c];
      const double sum = pass.norms[pass.norm_per_channel ? p * pass.channels + c : p];
      record.signal += y * y;
      const double relative = sum > 0 ? (y - weight_low * sum) / (weight_span * sum) : 0;
      record.variance += weight_span * sum * weight_span * sum * std::max(relative, 0.0) / photons[c];
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  record.output_low = low;
  record.output_high = high;
}

}  // namespace

void CopyStep::run(StepRun& run) const {
  copy_strided(run.read(from_.place), from_.strides, run.at(to_.place), to_.strides, to_.shape);
}

void FillStep::run(StepRun& run) const { std::fill_n(run.at(to_), count_, value_); }

void BinaryStep::run(StepRun& run) const {
  apply_binary(operation_, run.read(a_.place), a_.strides, run.read(b_.place), b_.strides,
               run.at(out_.place), out_.strides, out_.shape);
}

void ErfStep::run(StepRun& run) const {
  const float* from = run.read(from_);
  float* to = run.at(to_);
  for (std::int64_t i = 0; i < count_; ++i) to[i] = std::erf(from[i]);
}

void GatherRowsStep::run(StepRun& run) const {
  const float* table = run.read(table_);
  const float* indices = run.read(indices_);
  float* out = run.at(out_);
  for (std::int64_t i = 0; i < count_; ++i) {
    auto row = static_cast<std::int64_t>(indices[i]);
    if (row < 0) row += rows_;
    if (row < 0 || row >= rows_) {
      throw DataError(fmt::format("sample {}: {}: index {} of a table of {} rows. Use the data set "
                                  "(vocabulary) that the network was trained for.",
                                  run.sample, what_, indices[i], rows_));
    }
    std::copy_n(table + row * row_size_, row_size_, out + i * row_size_);
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
    reduce(input, l.positions, l.groups, l.depth, norms);
  } else {
    const WindowGeometry& g = l.window;
    const std::int64_t in_positions = g.input[0] * g.input[1];
    for (std::int64_t n = 0; n < l.batch; ++n) {
      float* map = run.at(l.map);
      reduce(input + n * in_positions * g.channels, in_positions, l.groups, l.depth, map);
      window_sum(map, g, l.groups, run.at(l.scratch), norms + n * g.positions() * l.groups);
    }
  }
  if (l.groups == 1 || l.groups == l.channels) return norms;
  float* expanded = run.at(l.channel_norms);
  const std::int64_t per_group = l.channels / l.groups;
  for (std::int64_t p = 0; p < l.positions; ++p) {
    for (std::int64_t c = 0; c < l.channels; ++c) {
      expanded[p * l.channels + c] = norms[p * l.groups + c / per_group];
    }
  }
  return expanded;
}

void ProductStep::run(StepRun& run) const {
  const Layout& l = layout_;
  const CompiledNoise* noise = run.noise.empty() ? nullptr : &run.noise[l.product];
  const bool has_noise = noise != nullptr && noise->kind != NoiseKind::none;
  const bool noisy = run.settings.noisy && has_noise;
  ProductRecord* record = run.records.empty() ? nullptr : &run.records[l.product];
  if (!noisy && !run.settings.statistics) {
    clean_->run(run);
    return;
  }
  const bool counting = has_noise && noise->kind == NoiseKind::photon_counting;
  if (counting || run.settings.statistics) {
    const float* input = run.read(l.input);
    const auto [low, high] = std::minmax_element(input, input + l.input_count);
    if (counting && *low < 0) {
      throw DataError(
          fmt::format("sample {}: {}: input {} is negative (light intensity carries the inputs "
                      "under 'law: counting'). Keep the node digital (digital_layers: [{}]) or use "
                      "the homodyne law.",
                      run.sample, l.what, *low, l.what));
    }
    if (record != nullptr) {
      record->input_low = *low;
      record->input_high = *high;
    }
  }
  const float* norms = reduce_inputs(run, !counting);
  if (record != nullptr && has_noise) {
    record->photons = noise->fixed_photons;
    if (!noise->photons_per_input_norm.empty()) {
      const float* sums = run.at(l.norms);
      for (std::int64_t i = 0; i < l.positions * l.groups; ++i) {
        record->photons +=
            sums[i] * noise->photons_per_input_norm[static_cast<std::size_t>(i % l.groups)];
      }
    }
  }
  raw_->run(run);
  NoisePass pass;
  pass.positions = l.positions;
  pass.channels = l.channels;
  pass.norm_per_channel = l.groups != 1;
  pass.accumulator = run.at(l.raw);
  pass.output = run.at(l.output);
  if (epilogue_.bias.exists()) pass.bias = run.read(epilogue_.bias);
  if (epilogue_.residual) pass.residual = pass.output;
  pass.low = epilogue_.low;
  pass.high = epilogue_.high;
  pass.norms = norms;
  if (has_noise) {
    pass.variance_offset = noise->offset.data();
    pass.variance_slope = noise->slope.data();
    pass.signal = noise->signal.data();
    pass.has_offset = noise->has_offset;
  }
  pass.stream = {run.settings.seed,
                 counting ? photonics::NoiseDomain::photon_count : photonics::NoiseDomain::detection,
                 static_cast<std::uint32_t>(l.product), run.sample, 0};
  if (run.settings.statistics && record != nullptr && has_noise) {
    counting ? record_counts(pass, noise->photons.data(), noise->weight_low, noise->weight_span,
                             *record)
             : record_outputs(pass, *record, true);
  }
  if (!noisy) {
    clean_->run(run);
  } else if (counting) {
    const CountedLight light = apply_photon_counting(pass, noise->photons.data(),
                                                     noise->weight_low, noise->weight_span);
    if (record != nullptr) {
      record->photons_transmitted = light.photons / noise->quantum_efficiency;
      record->transmission = light.transmission / static_cast<double>(l.positions * l.channels);
    }
  } else {
    apply_gaussian_noise(pass);
  }
}

void DynamicProductStep::run(StepRun& run) const {
  const Layout& l = layout_;
  call_->run(run);
  const CompiledNoise* noise = run.noise.empty() ? nullptr : &run.noise[l.product];
  const bool has_noise = noise != nullptr && noise->kind == NoiseKind::gaussian;
  const bool noisy = run.settings.noisy && has_noise;
  const bool statistics = run.settings.statistics && !run.records.empty();
  if (!noisy && !statistics) return;
  ProductRecord* record = run.records.empty() ? nullptr : &run.records[l.product];
  const float* x = run.read(l.x.place);
  const float* w = run.read(l.w.place);
  float* row_norms = run.at(l.row_norms);
  float* w_norms = run.at(l.column_norms);
  float* offset = run.at(l.offset);
  float* slope = run.at(l.slope);
  float* signal = run.at(l.signal);
  const Shape w_strides{l.w.strides[1], l.w.strides[2]};
  const std::int64_t x_size = l.rows * l.depth;
  if (statistics) {
    const auto [low, high] = std::minmax_element(x, x + l.batch * x_size);
    record->input_low = *low;
    record->input_high = *high;
  }
  for (std::int64_t b = 0; b < l.batch; ++b) {
    const float* matrix = w + b * l.w.strides[0];
    sum_of_squares(x + b * x_size, l.rows, 1, l.depth, row_norms);
    column_norms(matrix, w_strides, l.depth, l.columns, w_norms);
    if (record != nullptr && has_noise) {
      const auto& light = noise->photon_coefficients;
      double x_norms = 0;
      double w_norms_sum = 0;
      for (std::int64_t i = 0; i < l.rows; ++i) x_norms += row_norms[i];
      for (std::int64_t i = 0; i < l.columns; ++i) w_norms_sum += w_norms[i];
      const auto rows = static_cast<double>(l.rows);
      const auto columns = static_cast<double>(l.columns);
      record->photons += light.constant * rows * columns +
                         light.per_input_norm * columns * x_norms +
                         light.per_weight_norm * rows * w_norms_sum;
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
    const auto& c = noise->coefficients;
    for (std::int64_t n = 0; n < l.columns; ++n) {
      offset[n] = static_cast<float>(c.constant + c.weight_norm * w_norms[n]);
      slope[n] = static_cast<float>(c.input_norm + c.norm_product * w_norms[n]);
      signal[n] = static_cast<float>(c.signal);
    }
    NoisePass pass;
    pass.positions = l.rows;
    pass.channels = l.columns;
    pass.accumulator = pass.output = run.at(l.output) + b * l.rows * l.columns;
    pass.norms = row_norms;
    pass.variance_offset = offset;
    pass.variance_slope = slope;
    pass.signal = signal;
    pass.has_offset = noise->has_offset;
    pass.stream = {run.settings.seed, photonics::NoiseDomain::detection,
                   static_cast<std::uint32_t>(l.product), run.sample, 0};
    pass.first_element = static_cast<std::uint64_t>(b * l.rows * l.columns);
    if (statistics) record_outputs(pass, *record, b == 0);
    if (noisy) apply_gaussian_noise(pass);
  }
}

}  // namespace attojoule::network
