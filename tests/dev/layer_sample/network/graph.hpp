#pragma once
#include <hdf5.h>            // wrong: subject
#include <onnx/onnx_pb.h>
#include <iostream>          // wrong: subject
#include <photonics/receiver.hpp>  // wrong: quotes
