// Package client has the client of the server's worker deployments for workers that the
// server starts, of which there are none.
package client

import (
	"context"

	deploymentpb "go.temporal.io/api/deployment/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/server/common/namespace"
	"go.uber.org/fx"

	"go.temporal.io/auto-scaled-workers/wci/workflow/iface"
)

// Module provides the client.
var Module = fx.Provide(func() Client { return Client{} })

// Client knows no workers, and starts none.
type Client struct{}

// Instance would be a controller of workers.
type Instance struct {
	Spec             *iface.WorkerControllerInstanceSpec
	ValidationStatus *iface.ValidationStatus
}

// DescribeWorkerControllerInstance finds none.
func (Client) DescribeWorkerControllerInstance(context.Context, *namespace.Namespace, *deploymentpb.WorkerDeploymentVersion) (*Instance, []byte, error) {
	return nil, nil, serviceerror.NewNotFound("the development server starts no workers")
}

// UpdateWorkerControllerInstance refuses.
func (Client) UpdateWorkerControllerInstance(context.Context, *namespace.Namespace, *deploymentpb.WorkerDeploymentVersion, []byte, string,
	map[string]iface.ScalingGroupSpecUpdate, []string) (*Instance, error) {
	return nil, errStartsNone()
}

// ValidateWorkerControllerInstanceSpec refuses.
func (Client) ValidateWorkerControllerInstanceSpec(context.Context, *namespace.Namespace, *deploymentpb.WorkerDeploymentVersion, string,
	map[string]iface.ScalingGroupSpecUpdate, []string) error {
	return errStartsNone()
}

// DeleteWorkerControllerInstance has none to delete.
func (Client) DeleteWorkerControllerInstance(context.Context, *namespace.Namespace, *deploymentpb.WorkerDeploymentVersion, string) error {
	return nil
}

func errStartsNone() error {
	return serviceerror.NewInvalidArgument("the development server starts no workers: leave out the compute configuration")
}
