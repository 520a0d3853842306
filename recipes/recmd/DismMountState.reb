Description: DISM mount state
Author: dism-mount-status
Version: 1.0
Id: 8a3f4f0d-6f52-4a44-9a2c-5f5b6f0a3d17
Keys:
    -
        Description: DISM mounted images
        HiveType: SOFTWARE
        Category: System Info
        KeyPath: Microsoft\WIMMount\Mounted Images
        Recursive: true
        Comment: "A subkey per image mounted for servicing: WIM Path, Mount Path, Image Index, Status"
    -
        Description: WIMMount
        HiveType: SOFTWARE
        Category: System Info
        KeyPath: Microsoft\WIMMount
        Recursive: false
        Comment: "AdkInstallation is 1 where the ADK's driver is installed"
    -
        Description: WIMMount filter driver
        HiveType: SYSTEM
        Category: Services
        KeyPath: ControlSet00*\Services\WIMMount
        Recursive: true
        Comment: "Without it nothing can be mounted or remounted"
    -
        Description: Last shutdown
        HiveType: SYSTEM
        Category: System Info
        KeyPath: ControlSet00*\Control\Windows
        ValueName: ShutdownTime
        IncludeBinary: true
        BinaryConvert: FILETIME
        Recursive: false
        Comment: "No mount outlasts a shutdown: later than a registration's last write, it needs a remount"
