// What the interpreter imports of the host beside passthrough functions.
//
// A bundle has activities or workflows, and its module must not import what is for the
// others. So `wasmworker build` gives imports that a bundle has no use for the name and the
// type of one that it may have. That is valid where an import is called by a pointer alone,
// which no compiler can see through: hence the functions of activities are called so, and
// those of workflows.

#define WW_WORKFLOW_(name) __attribute__((import_module("wasmworker:workflow/v1"), import_name(name)))
WW_WORKFLOW_("activation") int64_t ww_host_workflow_activation(void *dst, uint32_t cap);
WW_WORKFLOW_("commands") int64_t ww_host_workflow_commands(const void *ptr, uint32_t len);
WW_WORKFLOW_("patched") int32_t ww_host_workflow_patched(const void *ptr, uint32_t len);

// In a bundle of workflows, last_error is that of workflows, which has the same type.
#define WW_POINTER(function) static __typeof__(ww_host_##function) *volatile function##_pointer = ww_host_##function;
WW_POINTER(arg_count)
WW_POINTER(arg_read)
WW_POINTER(arg_encoding)
WW_POINTER(arg_metadata)
WW_POINTER(output_write)
WW_POINTER(output_encoding)
WW_POINTER(output_metadata)
WW_POINTER(fail)
WW_POINTER(info)
WW_POINTER(status)
WW_POINTER(heartbeat_detail)
WW_POINTER(heartbeat)
WW_POINTER(detail_count)
WW_POINTER(detail_read)
WW_POINTER(detail_encoding)
WW_POINTER(read)
WW_POINTER(close)
WW_POINTER(workflow_activation)
WW_POINTER(workflow_commands)
WW_POINTER(workflow_patched)
#undef WW_POINTER

#define ww_host_arg_count (*arg_count_pointer)
#define ww_host_arg_read (*arg_read_pointer)
#define ww_host_arg_encoding (*arg_encoding_pointer)
#define ww_host_arg_metadata (*arg_metadata_pointer)
#define ww_host_output_write (*output_write_pointer)
#define ww_host_output_encoding (*output_encoding_pointer)
#define ww_host_output_metadata (*output_metadata_pointer)
#define ww_host_fail (*fail_pointer)
#define ww_host_info (*info_pointer)
#define ww_host_status (*status_pointer)
#define ww_host_heartbeat_detail (*heartbeat_detail_pointer)
#define ww_host_heartbeat (*heartbeat_pointer)
#define ww_host_detail_count (*detail_count_pointer)
#define ww_host_detail_read (*detail_read_pointer)
#define ww_host_detail_encoding (*detail_encoding_pointer)
#define ww_host_read (*read_pointer)
#define ww_host_close (*close_pointer)
#define ww_host_workflow_activation (*workflow_activation_pointer)
#define ww_host_workflow_commands (*workflow_commands_pointer)
#define ww_host_workflow_patched (*workflow_patched_pointer)
