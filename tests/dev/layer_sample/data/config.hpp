#pragma once
#include <yaml-cpp/yaml.h>
#include "network/graph.hpp"    // wrong: layer
#include "calibration/fit.hpp"  // wrong: layer cycle
