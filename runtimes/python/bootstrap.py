from awslambdaric import launch
with launch.image():
    from awslambdaric import __main__ as awslambdaricmain
awslambdaricmain.main()
