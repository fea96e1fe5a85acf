// Recurrent layers: RNN, GRU and LSTM (ONNX operators, opset 7 to 22).
//
// Sequence first: inputs are [step][sample][feature], weights [direction][gate and unit][feature].
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "network/operators.hpp"

namespace attojoule::network {
namespace {

// A step is a product and a dozen small nodes; longer sequences than this are a mistake of shapes.
constexpr std::int64_t most_steps = 4096;
constexpr std::int64_t most_units = std::int64_t{1} << 20;

// Inputs: X, W, R, B, sequence lengths, first hidden state; LSTM: first cell state, peepholes.
constexpr std::size_t biases = 3, lengths = 4, first_hidden = 5, first_cell = 6, peepholes = 7;

std::int64_t gates_of(const std::string& op) {
  return op == "LSTM" ? 4 : op == "GRU" ? 3 : 1;
}

void check_shape(const OperatorCall& call, std::size_t input, const Shape& wanted) {
  if (!call.has_input(input) || call.shape(input) == wanted) return;
  call.fail(fmt::format("input {} of shape {} where {} is needed", input,
                        to_string(call.shape(input)), to_string(wanted)),
            "Check the input's shape against the model");
}

std::vector<std::string> activations_of(const OperatorCall& call, std::int64_t gates,
                                        std::int64_t directions) {
  std::vector<std::string> own{"Tanh"};
  if (gates == 3) own = {"Sigmoid", "Tanh"};
  if (gates == 4) own = {"Sigmoid", "Tanh", "Tanh"};
  std::vector<std::string> all;
  for (std::int64_t d = 0; d < directions; ++d) all.insert(all.end(), own.begin(), own.end());
  if (!call.has_attribute("activations")) return all;
  const auto given = call.texts("activations");
  if (given.size() != all.size()) {
    call.fail(fmt::format("attribute 'activations' does not name {} functions", all.size()),
              "Export the model again");
  }
  for (const std::string& name : given) {
    if (name != "Sigmoid" && name != "Tanh" && name != "Relu") {
      call.fail(fmt::format("activation '{}' (Sigmoid, Tanh and Relu are supported)", name),
                "Write the layer out as a loop over its steps");
    }
  }
  return given;
}

double activate(const std::string& name, double x) {
  if (name == "Sigmoid") return 1 / (1 + std::exp(-x));
  return name == "Tanh" ? std::tanh(x) : std::max(x, 0.0);
}

std::vector<ValueInfo> infer_recurrent(const OperatorCall& call) {
  const RecurrentForm form = recurrent_form(call);
  const Shape state{form.directions, form.batch, form.hidden};
  std::vector<ValueInfo> outputs{
      {ElementType::real, {form.steps, form.directions, form.batch, form.hidden}},
      {ElementType::real, state}};
  if (form.gates == 4) outputs.push_back({ElementType::real, state});
  return outputs;
}

// One direction of one sample's layer, in double precision.
class RecurrentCell {
 public:
  RecurrentCell(const RecurrentForm& form, const InputTensors& in, std::int64_t direction)
      : form_(form),
        activations_(form.activations.size() / static_cast<std::size_t>(form.directions)) {
    const std::int64_t rows = form.gates * form.hidden;
    w_ = in[1]->values.data() + direction * rows * form.inputs;
    r_ = in[2]->values.data() + direction * rows * form.hidden;
    if (in.size() > biases && in[biases] != nullptr) {
      b_ = in[biases]->values.data() + direction * 2 * rows;
    }
    for (std::size_t i = 0; i < activations_.size(); ++i) {
      activations_[i] =
          form.activations[static_cast<std::size_t>(direction) * activations_.size() + i];
    }
  }

  // h and c (LSTM) before the step, and after it.
  void step(const double* x, std::vector<double>& h, std::vector<double>& c) const {
    const std::int64_t hidden = form_.hidden;
    const auto before = h;
    const auto gate = [&](std::int64_t g, std::int64_t j, const std::string& activation) {
      const std::int64_t row = g * hidden + j;
      return activate(activation, input(row, x) + recurrent(row, before));
    };
    auto kept = before;  // GRU: what the reset gate lets through
    for (std::int64_t j = 0; form_.gates == 3 && !form_.reset_after && j < hidden; ++j) {
      kept[static_cast<std::size_t>(j)] *= gate(1, j, activations_[0]);
    }
    for (std::int64_t j = 0; j < hidden; ++j) {
      const auto at = static_cast<std::size_t>(j);
      if (form_.gates == 1) {
        h[at] = gate(0, j, activations_[0]);
      } else if (form_.gates == 4) {
        c[at] = gate(2, j, activations_[0]) * c[at] +
                gate(0, j, activations_[0]) * gate(3, j, activations_[1]);
        h[at] = gate(1, j, activations_[0]) * activate(activations_[2], c[at]);
      } else {
        const double z = gate(0, j, activations_[0]);
        const double reset = form_.reset_after ? gate(1, j, activations_[0]) : 1;
        const std::int64_t row = 2 * hidden + j;
        const double candidate = input(row, x) + reset * recurrent(row, kept);
        h[at] = (1 - z) * activate(activations_[1], candidate) + z * before[at];
      }
    }
  }

 private:
  double input(std::int64_t row, const double* x) const {
    double sum = b_ == nullptr ? 0 : b_[row];
    for (std::int64_t k = 0; k < form_.inputs; ++k) sum += w_[row * form_.inputs + k] * x[k];
    return sum;
  }
  double recurrent(std::int64_t row, const std::vector<double>& h) const {
    double sum = b_ == nullptr ? 0 : b_[form_.gates * form_.hidden + row];
    for (std::int64_t k = 0; k < form_.hidden; ++k) {
      sum += r_[row * form_.hidden + k] * h[static_cast<std::size_t>(k)];
    }
    return sum;
  }

  const RecurrentForm& form_;
  std::vector<std::string> activations_;
  const double* w_ = nullptr;
  const double* r_ = nullptr;
  const double* b_ = nullptr;
};

void evaluate_recurrent(const OperatorCall& call, const InputTensors& in,
                        std::vector<DoubleTensor>& out) {
  const RecurrentForm form = recurrent_form(call);
  const auto hidden = static_cast<std::size_t>(form.hidden);
  for (std::int64_t d = 0; d < form.directions; ++d) {
    const RecurrentCell cell(form, in, d);
    for (std::int64_t n = 0; n < form.batch; ++n) {
      const auto row = static_cast<std::size_t>(d * form.batch + n) * hidden;
      const auto state = [&](std::size_t index) {
        if (in.size() <= index || in[index] == nullptr) return std::vector<double>(hidden, 0.0);
        const double* first = in[index]->values.data() + row;
        return std::vector<double>(first, first + hidden);
      };
      std::vector<double> h = state(first_hidden);
      std::vector<double> c = form.gates == 4 ? state(first_cell) : std::vector<double>{};
      for (std::int64_t s = 0; s < form.steps; ++s) {
        const std::int64_t t = form.reversed(d) ? form.steps - 1 - s : s;
        cell.step(in[0]->values.data() + (t * form.batch + n) * form.inputs, h, c);
        const auto at = static_cast<std::size_t>((t * form.directions + d) * form.batch + n);
        std::copy(h.begin(), h.end(),
                  out[0].values.begin() + static_cast<std::ptrdiff_t>(at * hidden));
      }
      const auto place = static_cast<std::ptrdiff_t>(row);
      if (out.size() > 1) std::copy(h.begin(), h.end(), out[1].values.begin() + place);
      if (out.size() > 2) std::copy(c.begin(), c.end(), out[2].values.begin() + place);
    }
  }
}

const std::array operators{
    Operator{"GRU", 3, 6, infer_recurrent, evaluate_recurrent},
    Operator{"LSTM", 3, 8, infer_recurrent, evaluate_recurrent},
    Operator{"RNN", 3, 6, infer_recurrent, evaluate_recurrent},
};

}  // namespace

RecurrentForm recurrent_form(const OperatorCall& call) {
  RecurrentForm form;
  form.gates = gates_of(call.node().op);
  const Shape& x = call.shape(0);
  const Shape& w = call.shape(1);
  const Shape& r = call.shape(2);
  if (call.integer("layout", 0) != 0) {
    call.fail("a batch axis that comes first (layout 1)",
              "Export with layout 0 and transpose the input");
  }
  const std::string direction = call.text("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    call.fail(fmt::format("direction '{}'", direction), "Export the model again");
  }
  form.directions = direction == "bidirectional" ? 2 : 1;
  form.backward = direction == "reverse";
  if (x.size() != 3 || w.size() != 3 || r.size() != 3) {
    call.fail(fmt::format("an input of shape {} and weights of {} and {} (each needs three axes)",
                          to_string(x), to_string(w), to_string(r)),
              "Check the input's shape against the model");
  }
  form.steps = x[0];
  form.batch = x[1];
  form.inputs = x[2];
  form.hidden = call.integer("hidden_size", r[2]);
  if (form.steps < 1 || form.steps > most_steps || form.batch < 1 || form.inputs < 1 ||
      form.hidden < 1 || form.hidden > most_units) {
    call.fail(fmt::format("a sequence of {} steps of {} x {} numbers, and {} units (1 to {} steps "
                          "run one by one, 1 to {} units)",
                          form.steps, form.batch, form.inputs, form.hidden, most_steps, most_units),
              "Check the input's shape against the model");
  }
  const std::int64_t rows = form.gates * form.hidden;
  check_shape(call, 1, {form.directions, rows, form.inputs});
  check_shape(call, 2, {form.directions, rows, form.hidden});
  check_shape(call, biases, {form.directions, 2 * rows});
  check_shape(call, first_hidden, {form.directions, form.batch, form.hidden});
  for (const std::size_t input : {std::size_t{0}, std::size_t{1}, std::size_t{2}, biases}) {
    if (call.has_input(input) && call.type(input) != ElementType::real) {
      call.fail(fmt::format("input {} does not hold real numbers", input),
                "Export the model again");
    }
  }
  if (form.gates == 4) {
    check_shape(call, first_cell, {form.directions, form.batch, form.hidden});
    if (call.has_input(peepholes)) {
      call.fail("peepholes", "Train without them, or write the layer out");
    }
    if (call.integer("input_forget", 0) != 0) {
      call.fail("coupled input and forget gates", "Write the layer out");
    }
  }
  if (call.real("clip", 0) != 0) call.fail("clipped gates", "Export without 'clip'");
  if (call.has_input(lengths)) {
    const auto given = call.constant_integers(lengths);
    if (std::any_of(given.begin(), given.end(),
                    [&form](std::int64_t length) { return length != form.steps; })) {
      call.fail("sequences of several lengths", "Export without sequence lengths");
    }
  }
  form.reset_after = form.gates == 3 && call.integer("linear_before_reset", 0) != 0;
  form.activations = activations_of(call, form.gates, form.directions);
  return form;
}

std::span<const Operator> recurrent_operators() {
  return operators;
}

}  // namespace attojoule::network
