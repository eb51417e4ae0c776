// Package iface has the types that the server's worker deployments need.
package iface

import (
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
)

// ComputeProviderType names what starts workers.
type ComputeProviderType string

// ComputeProviderSpec is what starts workers, and its settings.
type ComputeProviderSpec struct {
	ProviderType  ComputeProviderType
	Config        *commonpb.Payload
	NexusEndpoint string
}

// ScalingAlgorithmType names what decides how many there are.
type ScalingAlgorithmType string

// ScalingAlgorithmSpec is what decides how many there are, and its settings.
type ScalingAlgorithmSpec struct {
	ScalingAlgorithm ScalingAlgorithmType
	Config           *commonpb.Payload
}

// ScalingGroupSpec is both for some types of tasks.
type ScalingGroupSpec struct {
	TaskTypes []enumspb.TaskQueueType
	Compute   ComputeProviderSpec
	Scaling   *ScalingAlgorithmSpec
}

// ScalingGroupSpecUpdate changes fields of a group.
type ScalingGroupSpecUpdate struct {
	Spec       ScalingGroupSpec
	UpdateMask []string
}

// WorkerControllerInstanceSpec has the groups of a deployment's version.
type WorkerControllerInstanceSpec struct {
	ScalingGroupSpecs map[string]ScalingGroupSpec
}

// ValidationResult is what a validation came to.
type ValidationResult string

// ValidationResultFailed is one that failed.
const ValidationResultFailed ValidationResult = "failed"

// ValidationStatus is when and with what result a provider was validated.
type ValidationStatus struct {
	Status             ValidationResult
	ErrMessage         string
	LastValidationTime time.Time
}
